from pathlib import Path

import pytest

from training.data.records import ObjectLabel, Record
from training.data.split_files import read_split, write_split

OUTLINED = ObjectLabel("cat", (0.1, 0.2, 1 / 3, 0.4), True, ((0.1, 0.2, 1 / 3, 0.2, 1 / 3, 0.4),))


@pytest.mark.parametrize(
    "label",
    ["cat", (), ("cat", "dog"), (ObjectLabel("cat", (0.1, 0.2, 0.3, 0.4)),), (OUTLINED, OUTLINED)],
)
@pytest.mark.parametrize("size_hw", [None, (600, 800)])
def test_a_resumed_run_reads_the_very_records(tmp_path, label, size_hw):
    records = [Record(Path("/images/1.jpg"), label, "t.jsonl:1", size_hw=size_hw)]
    write_split(tmp_path / "train.jsonl", records)
    assert read_split(tmp_path / "train.jsonl") == records


def test_a_run_of_before_sizes_were_kept_can_be_resumed(tmp_path):
    text = '{"image": "/images/1.jpg", "label": "cat", "where": "t.jsonl:1"}\n'
    (tmp_path / "train.jsonl").write_text(text)
    assert read_split(tmp_path / "train.jsonl") == [
        Record(Path("/images/1.jpg"), "cat", "t.jsonl:1")
    ]
