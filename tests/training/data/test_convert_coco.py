"""COCO to JSON lines, and back."""

import json

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask
from PIL import Image

from inference.errors import UsageError
from inference.polygons import fill_polygons
from inference.types import Task
from training.data.coco_files import Rle
from training.data.convert_coco import convert_coco, decode_rle
from training.data.load import read_labelled
from training.data.to_coco import to_coco

SIZE_HW = (60, 80)
SQUARE = [20.0, 10.0, 40.0, 10.0, 40.0, 40.0, 20.0, 40.0]


def annotation(number=1, **changes):
    box = {"id": number, "image_id": 1, "category_id": 7, "bbox": [20.0, 10.0, 20.0, 30.0]}
    return {**box, **changes}


def write_coco(folder, annotations, *, size_wh=(80, 60), **changes):
    for name in ("a", "b"):
        Image.new("RGB", (80, 60)).save(folder / f"{name}.png")
    width, height = size_wh
    names = enumerate(("a.png", "b.png"), start=1)
    dataset = {
        "info": {"year": 2024},
        "images": [{"id": i, "file_name": n, "width": width, "height": height} for i, n in names],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "cat", "supercategory": "pet"}, {"id": 9, "name": "dog"}],
        **changes,
    }
    (folder / "coco.json").write_text(json.dumps(dataset))
    return folder / "coco.json"


def convert(folder, annotations, *, masks=False, **changes):
    source = write_coco(folder, annotations, **changes)
    report = convert_coco(source, folder / "all.jsonl", images=folder, masks=masks)
    lines = (folder / "all.jsonl").read_text().splitlines()
    return {row["image_url"]: row["label"] for row in map(json.loads, lines)}, report


def blob(seed=0):
    """A mask with a hole and a second component."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    mask = (x - 35) ** 2 / 2 + (y - 30) ** 2 < 300 + rng.integers(50)
    mask &= (x - 35) ** 2 + (y - 30) ** 2 > 30
    mask[2:9, 60:70] = True
    return mask


def uncompressed(mask):
    flat = mask.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    return np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()


def compressed(mask):
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_boxes_become_ratios_and_images_without_annotations_negatives(tmp_path):
    rows, report = convert(tmp_path, [annotation(iscrowd=1)])
    assert rows == {
        "a.png": [
            {"label": "cat", "isCrowd": 1}
            | {"topX": 0.25, "topY": 1 / 6, "bottomX": 0.5, "bottomY": 2 / 3}
        ],
        "b.png": [],
    }
    assert (report.images, dict(report.objects_per_class)) == (2, {"cat": 1})
    assert report.skipped == ()


def test_boxes_over_the_edge_are_clipped(tmp_path):
    rows, _ = convert(tmp_path, [annotation(bbox=[-10, -10, 200, 40])])
    assert rows["a.png"][0]["topX"] == 0.0
    assert rows["a.png"][0]["bottomX"] == 1.0


def test_a_size_that_is_not_stated_is_the_images(tmp_path):
    images = [{"id": 1, "file_name": "a.png"}]
    rows, _ = convert(tmp_path, [annotation()], images=images)
    assert rows["a.png"][0]["topX"] == 0.25


def test_a_smaller_copy_of_the_images_keeps_the_ratios(tmp_path):
    rows, _ = convert(tmp_path, [annotation()], size_wh=(160, 120))
    assert rows["a.png"][0]["topX"] == 0.125


@pytest.mark.parametrize(
    ("bad", "masks", "reason"),
    [
        (annotation(2, bbox=[20, 10, 0, 30]), False, r"annotation 2: the box .* has no area"),
        (annotation(2, bbox=[90, 10, 20, 30]), False, "no area in the image of 80×60 pixels"),
        (annotation(2, bbox=None), False, "it has no bbox"),
        (annotation(2, category_id=8), False, "there is no category of id 8"),
        (annotation(2, image_id=3), False, "there is no image of this id, but 1 annotations"),
        (annotation(2), True, "it has no segmentation"),
        (annotation(2, segmentation=[]), True, "no ring of at least 3 points"),
        (annotation(2, segmentation=[SQUARE[:4]]), True, "no ring of at least 3 points"),
        (annotation(2, segmentation=[SQUARE[:7]]), True, "an odd number of coordinates"),
        (annotation(2, segmentation=[[1, 1, 5, 1, 9, 1]]), True, "its outline has no area"),
        (annotation(2, segmentation={"size": [9, 9], "counts": [81]}), True, r"size \(9, 9\)"),
        (annotation(2, segmentation={"size": [60, 80], "counts": [5]}), True, "damaged"),
        (annotation(2, segmentation={"size": [60, 80], "counts": "?"}), True, "damaged"),
        (annotation(2, segmentation={"size": [60, 80], "counts": [4800]}), True, "3 points"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_skipped_with_its_reason(tmp_path, bad, masks, reason):
    rows, report = convert(tmp_path, [annotation(segmentation=[SQUARE]), bad], masks=masks)
    assert len(rows["a.png"]) == 1
    (skipped,) = report.skipped
    assert pytest.RaisesExc(ValueError, match=reason).matches(ValueError(skipped.reason))


def test_an_image_that_is_missing_is_skipped(tmp_path):
    source = write_coco(tmp_path, [annotation()])
    (tmp_path / "b.png").unlink()
    report = convert_coco(source, tmp_path / "all.jsonl", images=tmp_path)
    assert [item.image for item in report.skipped] == ["b.png"]
    assert "does not exist" in report.skipped[0].reason


def test_labels_of_an_image_that_its_orientation_turns_are_not_guessed(tmp_path):
    source = write_coco(tmp_path, [annotation()])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 60)).save(tmp_path / "b.png", exif=exif)
    report = convert_coco(source, tmp_path / "all.jsonl", images=tmp_path)
    assert "for 80×60 pixels, but upright" in report.skipped[0].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no COCO file.*invalid JSON"),
        ("[]", "is no COCO file"),
        ('{"images": [], "annotations": []}', "categories is missing"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\.0\.file_name"),
        ('{"images": [], "annotations": [], "categories": []}', "nothing in it can be used"),
    ],
)
def test_files_that_are_not_cocos(tmp_path, text, message):
    (tmp_path / "coco.json").write_text(text)
    with pytest.raises(UsageError, match=message) as raised:
        convert_coco(tmp_path / "coco.json", tmp_path / "all.jsonl", images=tmp_path)
    assert "\n" not in str(raised.value)


def test_a_data_set_of_unusable_annotations_names_the_first(tmp_path):
    with pytest.raises(UsageError, match=r"left out: 1, first .*annotation 1: .*no category"):
        convert(tmp_path, [annotation(category_id=8)])


def test_masks_in_all_three_notations(tmp_path):
    mask = blob()
    annotations = [
        annotation(1, segmentation=[SQUARE]),
        annotation(2, segmentation={"size": SIZE_HW, "counts": uncompressed(mask)}),
        annotation(3, segmentation={"size": SIZE_HW, "counts": compressed(mask)}, iscrowd=1),
    ]
    rows, report = convert(tmp_path, annotations, masks=True)
    square, first, second = rows["a.png"]
    assert square["polygon"] == [[0.25, 1 / 6, 0.5, 1 / 6, 0.5, 2 / 3, 0.25, 2 / 3]]
    assert first["polygon"] == second["polygon"]
    assert (first["isCrowd"], second["isCrowd"]) == (0, 1)
    assert report.skipped == ()


@pytest.mark.parametrize("counts", [uncompressed, compressed])
def test_runs_are_decoded_column_by_column(counts):
    assert (decode_rle(Rle(size=SIZE_HW, counts=counts(blob()))) == blob()).all()


def predictions_of(folder, task):
    """Labels written as folder scoring writes predictions."""
    lines = []
    for record in read_labelled(folder / "all.jsonl", task=task).records:
        boxes = [
            {
                "box": dict(zip(("topX", "topY", "bottomX", "bottomY"), item.box, strict=True)),
                "label": item.label,
                "score": 0.5,
                "polygon": item.polygons,
            }
            for item in record.objects
        ]
        lines.append(json.dumps({"filename": record.image.name, "boxes": boxes}))
    (folder / "predictions.jsonl").write_text("\n".join(lines))
    return folder / "predictions.jsonl"


def test_boxes_survive_the_way_to_json_lines_and_back(tmp_path):
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, (60, 40), (20, 2))
    boxes = np.hstack([corners, rng.uniform(1, 20, (20, 2))]).tolist()
    convert(tmp_path, [annotation(i, bbox=box) for i, box in enumerate(boxes)])
    results = tmp_path / "results.json"
    predictions = predictions_of(tmp_path, Task.DETECTION)
    to_coco(predictions, results, images=tmp_path, annotations=tmp_path / "coco.json")
    written = json.loads(results.read_text())
    np.testing.assert_allclose([item["bbox"] for item in written], boxes, atol=1e-6)
    assert {(item["image_id"], item["category_id"]) for item in written} == {(1, 7)}


@pytest.mark.parametrize("counts", [uncompressed, compressed])
def test_masks_survive_the_way_to_json_lines_and_back(tmp_path, counts):
    runs = [{"size": SIZE_HW, "counts": counts(blob(seed))} for seed in range(3)]
    convert(tmp_path, [annotation(i, segmentation=r) for i, r in enumerate(runs)], masks=True)
    predictions = predictions_of(tmp_path, Task.SEGMENTATION)
    to_coco(predictions, tmp_path / "out.json", images=tmp_path)
    for seed, item in enumerate(json.loads((tmp_path / "out.json").read_text())["annotations"]):
        assert iou(fill_polygons(item["segmentation"], size_hw=SIZE_HW), blob(seed)) >= 0.98
