"""Random images: objects, and predictions that lie near them, elsewhere, or have another label."""

import contextlib
import io
import time

import numpy as np
import pytest
from pycocotools import mask as reference_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from inference.polygons import fill_polygons, mask_window
from inference.types import Detections
from training.metrics.detection import ImageTruth, compare, metrics_of

LABELS = ("cat", "dog")
SIZE_HW = (100, 120)


def metrics(predictions, truths, *, metric_type="voc", kind="boxes", iou_threshold=0.5):
    return metrics_of(
        compare(
            predictions,
            truths,
            labels=LABELS,
            metric_type=metric_type,
            kind=kind,
            iou_threshold=iou_threshold,
        )
    )


def random_boxes(rng, count):
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack([corner, corner + rng.uniform(4, 40, (count, 2))]).astype(np.float32)


def random_rings(rng, boxes_xyxy):
    """A pentagon in each box."""
    angles = np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 1, (len(boxes_xyxy), 1))
    circle = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    points = boxes_xyxy[:, None, :2] + circle * (boxes_xyxy[:, None, 2:] - boxes_xyxy[:, None, :2])
    return tuple((tuple(map(float, ring.ravel())),) for ring in points)


def random_masks(rng, count):
    """Noisy disks on 14 × 14 cells."""
    y, x = np.mgrid[-1:1:14j, -1:1:14j]
    noise = rng.uniform(-0.3, 0.3, (count, 14, 14))
    return (1 - 0.5 * np.hypot(x, y) + noise).clip(0, 1).astype(np.float32)


def random_images(seed, images, *, objects=6):
    rng = np.random.default_rng(seed)
    predictions, truths = [], []
    for _ in range(images):
        count = int(rng.integers(0, objects + 1))
        boxes = random_boxes(rng, count)
        label_ids = rng.integers(0, len(LABELS), count)
        is_crowd = rng.random(count) < 0.15
        truths.append(ImageTruth(boxes, label_ids, is_crowd, SIZE_HW, random_rings(rng, boxes)))
        near = (boxes + rng.normal(0, 2, boxes.shape)).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        candidates = np.concatenate([near, near + 1, random_boxes(rng, 4)])
        guesses = np.concatenate([label_ids, label_ids, rng.integers(0, len(LABELS), 4)])
        scores = np.sort(rng.random(len(candidates)))[::-1].astype(np.float32)
        order = rng.permutation(len(candidates))
        masks = random_masks(rng, len(candidates))
        predictions.append(Detections(candidates[order], scores, guesses[order], masks))
    return predictions, truths


def reference_annotations(image, item, kind, masks):
    boxes = item.boxes_xyxy.astype(np.float64)
    for row, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        shape = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
        if kind == "masks":
            code = reference_mask.encode(np.asfortranarray(masks[row].astype(np.uint8)))
            shape = {"segmentation": code, "area": float(reference_mask.area(code))}
        yield {"image_id": image, "category_id": int(item.label_ids[row]), **shape}


def full_masks(detections):
    for grid, box in zip(detections.masks, detections.boxes_xyxy, strict=True):
        window, (left, top) = mask_window(grid, box, size_hw=SIZE_HW, threshold=0.5)
        mask = np.zeros(SIZE_HW, np.bool_)
        mask[top : top + window.shape[0], left : left + window.shape[1]] = window
        yield mask


def reference_coco(predictions, truths, kind):
    """The twelve numbers of pycocotools."""
    data = {
        "images": [
            {"id": image, "height": SIZE_HW[0], "width": SIZE_HW[1]} for image in range(len(truths))
        ],
        "categories": [{"id": label} for label in range(len(LABELS))],
        "annotations": [],
    }
    results = []
    for image, (detections, item) in enumerate(zip(predictions, truths, strict=True)):
        masks = [fill_polygons(rings, size_hw=SIZE_HW) for rings in item.rings]
        rows = reference_annotations(image, item, kind, masks)
        for annotation, is_crowd in zip(rows, item.is_crowd, strict=True):
            extra = {"id": len(data["annotations"]) + 1, "iscrowd": int(is_crowd)}
            data["annotations"].append(annotation | extra)
        rows = reference_annotations(image, detections, kind, list(full_masks(detections)))
        results += [r | {"score": float(s)} for r, s in zip(rows, detections.scores, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = data
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox" if kind == "boxes" else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("kind", ["boxes", "masks"])
@pytest.mark.parametrize("seed", range(3))
def test_coco_equals_pycocotools(kind, seed):
    predictions, truths = random_images(seed, images=12)
    values = metrics(predictions, truths, metric_type="coco", kind=kind)
    expected = reference_coco(predictions, truths, kind)
    names = ("", "_50", "_75", "_small", "_medium", "_large")
    ours = [values.get(f"mean_average_precision{name}", -1) for name in names]
    assert ours == pytest.approx(expected[:6], abs=1e-6)
    assert 0.03 < ours[0] < 0.95  # the case tells right from wrong


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (area_a + area_b - shared), shared / area_a


def reference_voc(predictions, truths, label, threshold):
    """Average precision, precision and recall of a label, one prediction after the other."""
    marks, objects = [], 0
    for detections, item in zip(predictions, truths, strict=True):
        boxes = item.boxes_xyxy.astype(np.float64)
        free = [n for n in np.flatnonzero(item.label_ids == label) if not item.is_crowd[n]]
        crowds = [n for n in np.flatnonzero(item.label_ids == label) if item.is_crowd[n]]
        objects += len(free)
        for row in np.flatnonzero(detections.label_ids == label):
            box = detections.boxes_xyxy[row].astype(np.float64)
            best = max(free, key=lambda n: overlap(box, boxes[n])[0], default=None)
            if best is not None and overlap(box, boxes[best])[0] >= threshold:
                free.remove(best)
                marks.append((detections.scores[row], True))
            elif not any(overlap(box, boxes[n])[1] >= threshold for n in crowds):
                marks.append((detections.scores[row], False))
    points, true = [], 0
    for rank, (_, is_true) in enumerate(sorted(marks, reverse=True), start=1):
        true += is_true
        points.append((true / objects, true / rank))
    area = sum(max(p for r, p in points if r >= n / objects) for n in range(1, true + 1)) / objects
    return area, true / len(marks), true / objects


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_voc_equals_a_plain_implementation(seed, threshold):
    predictions, truths = random_images(seed, images=12)
    values = metrics(predictions, truths, iou_threshold=threshold)
    rows = [reference_voc(predictions, truths, label, threshold) for label in range(len(LABELS))]
    assert list(values.values()) == pytest.approx(np.mean(rows, axis=0), abs=1e-6)
    assert 0.05 < values["mean_average_precision"] < 0.95


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_the_order_of_images_and_predictions_does_not_matter(kind):
    predictions, truths = random_images(5, images=12)
    rng = np.random.default_rng(0)
    images = rng.permutation(len(truths))
    shuffled = [predictions[n][rng.permutation(len(predictions[n]))] for n in images]
    values = [
        metrics(*data, metric_type="coco_voc", kind=kind)
        for data in ((predictions, truths), (shuffled, [truths[n] for n in images]))
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-12)


def test_nothing_is_printed(capfd):
    predictions, truths = random_images(0, images=3)
    metrics(predictions, truths, metric_type="coco_voc", kind="masks")
    assert capfd.readouterr() == ("", "")


def test_four_thousand_boxes_take_less_than_a_second():
    rng = np.random.default_rng(0)
    boxes = [random_boxes(rng, 20) for _ in range(200)]
    label_ids, scores = np.arange(20) % 2, np.linspace(0.9, 0.1, 20, dtype=np.float32)
    truths = [ImageTruth(b, label_ids, np.zeros(20, np.bool_), SIZE_HW) for b in boxes]
    predictions = [Detections(b + np.float32(1), scores, label_ids) for b in boxes]
    taken = []
    for _ in range(3):  # whatever else a machine does makes it slower
        begun = time.process_time()
        metrics(predictions, truths)
        taken.append(time.process_time() - begun)
    assert min(taken) < 1
