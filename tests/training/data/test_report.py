from dataclasses import replace
from pathlib import Path

import pytest

from training.data.records import Labelled, ObjectLabel, Record
from training.data.report import class_counts, content_hash, summary

SMALL = ObjectLabel("cat", (0.0, 0.0, 0.1, 0.1))
LARGE = ObjectLabel("dog", (0.0, 0.0, 0.4, 0.1), polygons=((0.0, 0.0, 0.4, 0.0, 0.4, 0.1),))
CROWD = replace(SMALL, is_crowd=True)


def labelled(*labels, size_hw=(100, 400)):
    records = [
        Record(Path(f"{i}.jpg"), label, f"t.jsonl:{i}", sha256=str(i), size_hw=size_hw)
        for i, label in enumerate(labels)
    ]
    return Labelled(tuple(records), ())


def test_classes_count_images_and_not_objects():
    data = labelled((SMALL, SMALL, LARGE), (SMALL,), ())
    assert class_counts(data) == {"cat": 2, "dog": 1}
    assert data.records[0].classes == ("cat", "dog")


def test_objects_are_counted_and_measured_without_crowds():
    facts = summary(labelled((SMALL, SMALL, SMALL, LARGE, CROWD), ()), ["cat", "dog", "owl"])
    assert facts["objects_per_class"] == {"cat": 3, "dog": 1, "owl": 0}
    assert facts["crowds"] == 1
    assert facts["images_without_class"] == 1
    assert facts["object_side_ratio"] == {"p10": 0.1, "p50": 0.1}
    assert facts["object_side_pixels"] == {"p10": 20.0, "p50": 20.0}  # √(0.1 · 400 · 0.1 · 100)


def test_sizes_are_in_ratios_alone_where_images_were_not_looked_at():
    facts = summary(labelled((LARGE,), size_hw=None), ["dog"])
    assert facts["object_side_ratio"] == {"p10": 0.2, "p50": 0.2}
    assert facts["object_side_pixels"] == {}


def test_labels_of_whole_images_have_no_objects():
    assert "objects_per_class" not in summary(labelled("cat", "dog"), ["cat", "dog"])


@pytest.mark.parametrize(
    "change",
    [
        (),
        (replace(LARGE, box=(0.0, 0.0, 0.4, 0.2)), SMALL),
        (replace(LARGE, polygons=()), SMALL),
        (LARGE, CROWD),
        (LARGE, replace(SMALL, label="dog")),
    ],
)
def test_the_hash_covers_every_part_of_an_object(change):
    first = content_hash({"train": labelled((LARGE, SMALL))})
    assert content_hash({"train": labelled((SMALL, LARGE))}) == first
    assert content_hash({"train": labelled(change)}) != first
