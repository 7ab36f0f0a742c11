"""Labels of detection and segmentation in every spelling that real files have."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import UsageError
from inference.types import Task
from training.data.jsonl import read_records
from training.data.labels import PARSERS, parse_class, parse_classes
from training.data.object_labels import object_json, parse_boxes, parse_polygons
from training.data.records import ObjectLabel

FRIDGE = Path(__file__).parents[4] / "shared" / "data" / "fridge"
needs_fridge = pytest.mark.skipif(not FRIDGE.is_dir(), reason="needs ../shared/data/fridge")

CAT = {"label": "cat", "topX": 0.1, "topY": 0.2, "bottomX": 0.5, "bottomY": 0.6}
CAT_BOX = ObjectLabel("cat", (0.1, 0.2, 0.5, 0.6))
TRIANGLE = [0.1, 0.2, 0.5, 0.2, 0.5, 0.6]


def outlined(*rings, **more):
    return [{"label": "cat", "polygon": list(rings), **more}]


@pytest.mark.parametrize("parse", [parse_boxes, parse_polygons])
def test_an_empty_list_is_a_negative(parse):
    assert parse([]) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([CAT], (CAT_BOX,)),
        (CAT, (CAT_BOX,)),  # one object without a list
        ([CAT, {**CAT, "label": 3}], (CAT_BOX, ObjectLabel("3", CAT_BOX.box))),
        ([{**CAT, "topX": "0.1", "bottomY": " 0.6 "}], (CAT_BOX,)),
        ([{**CAT, "bbox": "null", "filename": "1.jpg"}], (CAT_BOX,)),
        ([{**CAT, "isCrowd": None}], (CAT_BOX,)),
        ([{**CAT, "topX": -0.01, "bottomX": 1.01}], (ObjectLabel("cat", (0.0, 0.2, 1.0, 0.6)),)),
        (outlined(TRIANGLE), (CAT_BOX,)),  # a segmentation data set in a detection job
        ([{**CAT, "polygon": [[0, 0, 1, 0, 1, 1]]}], (CAT_BOX,)),  # the box is what counts
    ],
)
def test_boxes(value, expected):
    assert parse_boxes(value) == expected


@pytest.mark.parametrize("value", [1, 1.0, True, "true", "True", "1"])
def test_a_crowd_in_all_spellings(value):
    assert parse_boxes([{**CAT, "isCrowd": value}])[0].is_crowd


@pytest.mark.parametrize("value", [0, 0.0, False, "false", "0", "", None])
def test_no_crowd_in_all_spellings(value):
    assert not parse_boxes([{**CAT, "isCrowd": value}])[0].is_crowd


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"topX": 0.5}, r"label\[1\]\.bottomX must be over topX, got topX 0\.5, bottomX 0\.5"),
        ({"bottomY": 0.1}, r"label\[1\]\.bottomY must be over topY, got topY 0\.2, bottomY 0\.1"),
        ({"topX": float("nan")}, r"label\[1\]\.topX must be a number, got nan"),
        ({"topX": float("inf")}, r"label\[1\]\.topX must be a number, got inf"),
        ({"topX": None}, r"label\[1\]\.topX must be a number, got None"),
        ({"topX": "left"}, r"label\[1\]\.topX must be a number, got 'left'"),
        ({"topX": True}, r"label\[1\]\.topX must be a number, got True"),
        ({"bottomX": 312}, r"label\[1\]\.bottomX .*ratio.* got 312, which looks like pixels"),
        ({"bottomX": 1.02}, r"label\[1\]\.bottomX must be a ratio 0…1 .* got 1\.02$"),
        ({"topX": -0.02}, r"label\[1\]\.topX must be a ratio 0…1 .* got -0\.02$"),
        ({"label": None}, r"label\[1\]\.label must be a name or a number, got None"),
        ({"isCrowd": "maybe"}, r"label\[1\]\.isCrowd must be true or false, got 'maybe'"),
    ],
)
def test_a_bad_object_is_named_with_key_and_value(change, reason):
    with pytest.raises(ValueError, match=reason):
        parse_boxes([CAT, {**CAT, **change}])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, r"label\[0\] must be an object with a box, got None"),
        ("", r"label\[0\] must be an object"),
        ([CAT, "dog"], r"label\[1\] must be an object with a box, got 'dog'"),
        ([{}], r"label\[0\]\.label is missing \(the object has: nothing\)"),
        ([{"label": "cat", "topX": 0.1}], r"label\[0\]\.topY is missing .*label, topX"),
        ([{"label": "cat"}], r"label\[0\]\.topX is missing"),
    ],
)
def test_what_is_no_object_is_a_bad_record(value, reason):
    with pytest.raises(ValueError, match=reason):
        parse_boxes(value)


@pytest.mark.parametrize("parse", [parse_boxes, parse_polygons])
@pytest.mark.parametrize("value", ["cat", 3, ["cat"], ["cat", "dog"]])
def test_a_classification_label_says_which_task_it_belongs_to(parse, value):
    with pytest.raises(UsageError, match=r"classification data set .*image_classification"):
        parse(value)


@pytest.mark.parametrize("parse", [parse_class, parse_classes])
@pytest.mark.parametrize("value", [[CAT], CAT, outlined(TRIANGLE)])
def test_objects_in_a_classification_job_say_which_task_they_belong_to(parse, value):
    with pytest.raises(UsageError, match="image_object_detection"):
        parse(value)


def test_boxes_without_polygons_in_a_segmentation_job_say_which_task_they_belong_to():
    with pytest.raises(UsageError, match=r"without polygons in a segmentation job.*detection"):
        parse_polygons([CAT])


def test_one_box_among_polygons_is_a_bad_record():
    with pytest.raises(ValueError, match=r"label\[1\]\.polygon is missing"):
        parse_polygons([*outlined(TRIANGLE), CAT])


@pytest.mark.parametrize(
    ("rings", "expected"),
    [
        ([TRIANGLE], [TRIANGLE]),
        ([[str(number) for number in TRIANGLE]], [TRIANGLE]),
        ([TRIANGLE, [0.7, 0.7, 0.8, 0.7, 0.8, 0.9]], [TRIANGLE, [0.7, 0.7, 0.8, 0.7, 0.8, 0.9]]),
        ([[*TRIANGLE, 0.1, 0.2]], [TRIANGLE]),  # closed: the last point is the first
        ([[0.0, 0.0, *TRIANGLE]], [TRIANGLE]),  # a stray point before the ring
        ([[0, 0, *TRIANGLE, 0, 0]], [TRIANGLE]),  # and the ring closed with it
        ([[0, 0, 0.4, 0.5, 0, 0.6, 0.3, 0.9]], [[0.4, 0.5, 0, 0.6, 0.3, 0.9]]),
        (
            [[0, 0, 0.4, 0, 0.4, 0.4, 0, 0.4]],
            [[0, 0, 0.4, 0, 0.4, 0.4, 0, 0.4]],
        ),  # fills the corner
        ([[0, 0, 0, 0.4, 0.4, 0.4, 0.4, 0]], [[0, 0, 0, 0.4, 0.4, 0.4, 0.4, 0]]),  # other way round
        ([[0, 0, 0.4, 0.03, 0.4, 0.4, 0.04, 0.4]], [[0, 0, 0.4, 0.03, 0.4, 0.4, 0.04, 0.4]]),
        ([[0, 0, 0.5, 0.5, 0.6, 0.5]], [[0, 0, 0.5, 0.5, 0.6, 0.5]]),  # less would be no ring
    ],
)
def test_rings(rings, expected):
    (item,) = parse_polygons(outlined(*rings))
    assert [list(ring) for ring in item.polygons] == expected


def test_the_box_spans_all_rings_whatever_box_is_written():
    rings = (TRIANGLE, [0.7, 0.7, 0.8, 0.7, 0.8, 0.9])
    (item,) = parse_polygons(outlined(*rings, topX=0.0, topY=0.0, bottomX=1.0, bottomY=1.0))
    assert item.box == (0.1, 0.2, 0.8, 0.9)


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ([], r"label\[0\]\.polygon must hold at least one ring"),
        (None, r"label\[0\]\.polygon must hold at least one ring .*got None"),
        (TRIANGLE, r"label\[0\]\.polygon\[0\] must be a ring \[x1, y1, x2, y2, …\], got 0\.1"),
        ([[]], r"label\[0\]\.polygon\[0\] must have at least 3 points, got 0"),
        ([TRIANGLE, TRIANGLE[:4]], r"label\[0\]\.polygon\[1\] must have at least 3 points, got 2"),
        ([[*TRIANGLE, 0.5]], r"label\[0\]\.polygon\[0\] must hold pairs of x and y, got 7 numbers"),
        ([[0.1, 0.2, 0.5, 20, 1, 1]], r"label\[0\]\.polygon\[0\]\[3\] .*got 20, .*pixels"),
        (
            [[0.1, 0.2, 0.1, 0.3, 0.1, 0.4]],
            r"label\[0\]\.polygon has no area, it spans x 0\.1…0\.1",
        ),
    ],
)
def test_a_bad_polygon_is_named_with_ring_and_value(polygon, reason):
    with pytest.raises(ValueError, match=reason):
        parse_polygons([{"label": "cat", "polygon": polygon}])


points = st.floats(0, 1).map(lambda number: round(number, 4))


@given(st.lists(points, min_size=8, max_size=8, unique=True), st.booleans())
def test_what_is_written_is_read_back(numbers, is_crowd):
    x1, x2, y1, y2 = sorted(numbers[:2]) + sorted(numbers[2:4])
    boxed = ObjectLabel("cat", (x1, y1, x2, y2), is_crowd)
    assert parse_boxes(json.loads(json.dumps([object_json(boxed)]))) == (boxed,)
    (drawn,) = parse_polygons(outlined(numbers, isCrowd=is_crowd))
    assert parse_polygons(json.loads(json.dumps([object_json(drawn)]))) == (drawn,)


def test_a_ring_that_starts_at_the_origin_keeps_its_points():
    ring = (0.0, 0.0, 0.5, 0.6, 0.6, 0.9, 0.2, 0.9)
    text = object_json(ObjectLabel("cat", (0.0, 0.0, 0.6, 0.9), polygons=(ring,)))
    (read,) = parse_polygons([text])
    assert read.box == (0.0, 0.0, 0.6, 0.9)
    assert len(read.polygons[0]) == len(ring)


def test_every_task_has_a_parser():
    assert set(PARSERS) == set(Task)


def fridge(data_set, part, task):
    """Records without a look at their images."""
    (path,) = (FRIDGE / data_set / f"{part}-mltable-folder").glob("*.jsonl")
    return list(
        read_records(
            path,
            encoding="utf-8",
            label_key="label",
            parse_label=PARSERS[task],
            find_image=lambda url, folder: folder / url,
        )
    )


@needs_fridge
@pytest.mark.parametrize("part", ["training", "validation"])
def test_outlines_of_real_data_fit_the_boxes_of_the_same_objects(part):
    """Each is drawn on its own by hand; a stray point would move a box by half an image."""
    boxes = fridge("detection", part, Task.DETECTION)
    outlines = fridge("segmentation", part, Task.SEGMENTATION)
    for with_boxes, with_outlines in zip(boxes, outlines, strict=True):
        assert with_boxes.image.name == with_outlines.image.name
        drawn = {item.label: item.box for item in with_outlines.objects}
        for item in with_boxes.objects:
            assert drawn[item.label] == pytest.approx(item.box, abs=0.03)


@needs_fridge
def test_segmentation_data_can_train_a_detector():
    detection = fridge("segmentation", "validation", Task.DETECTION)
    segmentation = fridge("segmentation", "validation", Task.SEGMENTATION)
    boxes = [
        [[item.box for item in record.objects] for record in rows]
        for rows in (detection, segmentation)
    ]
    assert boxes[0] == boxes[1]


@needs_fridge
def test_data_as_azure_wrote_them_have_the_same_labels():
    azure = fridge("detection-azureml", "validation", Task.DETECTION)
    ours = fridge("detection", "validation", Task.DETECTION)
    assert [record.label for record in azure] == [record.label for record in ours]
