"""Detection and segmentation tables as a job reads them."""

import pytest
import yaml

from inference.errors import UsageError
from tests.training.data.tables import write_table
from training.data.load import load_datasets
from training.job import read_job

BOX = {"topX": 0.25, "topY": 0.25, "bottomX": 0.75, "bottomY": 0.75}


def pets(count=12):
    """As many cats as dogs, and every fourth image empty."""
    objects = [[{"label": ("cat", "dog")[i % 2], **BOX}] if i % 4 else [] for i in range(count)]
    return [{"image_url": f"{i}.png", "label": label} for i, label in enumerate(objects)]


def load(tmp_path, rows, task="image_object_detection"):
    write_table(tmp_path, rows)
    (tmp_path / "job.yml").write_text(
        yaml.safe_dump({"task": task, "training_data": {"path": "table.jsonl"}})
    )
    return load_datasets(read_job(tmp_path / "job.yml"), seed=1)


def test_images_without_objects_are_kept(tmp_path):
    data = load(tmp_path, pets(16))
    report = data.report()
    assert data.labels == ("cat", "dog")
    assert data.train.dropped == ()
    counts = [report[split]["objects_per_class"] for split in ("train", "validation")]
    assert sum(count["cat"] for count in counts) == 4
    assert report["train"]["images_without_class"] > 0


def test_one_class_is_enough(tmp_path):
    rows = [{**row, "label": [{"label": "cat", **BOX}]} for row in pets()]
    assert load(tmp_path, rows).labels == ("cat",)


def test_no_object_at_all_is_not(tmp_path):
    rows = [{**row, "label": []} for row in pets()]
    with pytest.raises(UsageError, match=r"at least 1 class is needed .*found none"):
        load(tmp_path, rows)


def test_a_class_of_many_objects_in_one_image_has_one_image(tmp_path):
    rows = pets()
    rows[1]["label"] = [{"label": "owl", **BOX}, {"label": "owl", **BOX}]
    with pytest.raises(UsageError, match="class 'owl' has 1 image"):
        load(tmp_path, rows)


def test_a_bad_object_drops_its_image_with_line_and_reason(tmp_path):
    rows = pets(16)
    rows[2]["label"] = [{"label": "cat", **BOX, "bottomX": 0.1}]
    (dropped,) = load(tmp_path, rows).train.dropped
    assert dropped.where.endswith("table.jsonl:3")
    assert dropped.reason == "label[0].bottomX must be over topX, got topX 0.25, bottomX 0.1"


def test_boxes_in_a_segmentation_job_end_it_with_line_and_task(tmp_path):
    with pytest.raises(UsageError, match=r"table\.jsonl:2: labels with boxes but without polygons"):
        load(tmp_path, pets(), task="image_instance_segmentation")
