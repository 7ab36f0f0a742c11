import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from inference.nms import merge_tiles, suppress
from inference.types import Detections


def found(*rows, masks=None):
    """Detections of rows x1, y1, x2, y2, score, label id."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        table[:, :4].astype(np.float32),
        table[:, 4].astype(np.float32),
        table[:, 5].astype(np.int64),
        masks,
    )


def rows_of(detections):
    columns = detections.boxes_xyxy, detections.scores[:, None], detections.label_ids[:, None]
    return np.hstack(columns).tolist()


def merged(*parts, iou_threshold=0.5, max_detections=100):
    return merge_tiles(parts, iou_threshold=iou_threshold, max_detections=max_detections)


def random_found(seed, count=60, classes=3):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 200, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 80, (count, 2))])
    order = np.argsort(-rng.random(count))
    scores = np.sort(rng.choice(10**6, count, replace=False) / 10**6)[::-1]
    table = np.hstack([boxes[order], scores[:, None], rng.integers(0, classes, (count, 1))])
    return found(*table, masks=rng.random((count, 4, 4)).astype(np.float32))


def test_nothing_found_stays_nothing():
    assert len(merged(found(), found())) == 0


A = (0, 0, 10, 10)
NEAR_A = (0, 0, 10, 9)  # IoU 0.9 with A
B = (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([found((*A, 0.5, 0))], [(*A, 0.5, 0)]),
        ([found((*A, 0.5, 0)), found((*B, 0.75, 0))], [(*B, 0.75, 0), (*A, 0.5, 0)]),
        ([found((*A, 0.5, 0)), found((*NEAR_A, 0.75, 0))], [(*NEAR_A, 0.75, 0)]),
        ([found((*A, 0.5, 0)), found((*A, 0.75, 1))], [(*A, 0.75, 1), (*A, 0.5, 0)]),
        ([found((*A, 0.5, 0)), found((*NEAR_A, 0.5, 0))], [(*A, 0.5, 0)]),
        ([found((*NEAR_A, 0.5, 0)), found((*A, 0.5, 0))], [(*NEAR_A, 0.5, 0)]),
        ([found((*A, 0.5, 1)), found((*B, 0.5, 0))], [(*A, 0.5, 1), (*B, 0.5, 0)]),
        ([found(), found((*A, 0.5, 0)), found()], [(*A, 0.5, 0)]),
    ],
)
def test_the_better_one_of_two_views_stays(parts, kept):
    assert rows_of(merged(*parts)) == [list(row) for row in kept]


def test_only_the_best_stay():
    parts = [found((10 * i, 0, 10 * i + 9, 9, i / 8, 0)) for i in range(8)]
    assert merged(*parts, max_detections=3).scores.tolist() == [7 / 8, 6 / 8, 5 / 8]


def test_masks_stay_with_their_boxes():
    masks = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    first = found((*A, 0.25, 0), masks=masks[:1])
    second = found((*B, 0.75, 0), (*NEAR_A, 0.5, 0), masks=masks[1:])
    nothing = found(masks=np.zeros((0, 1, 1), np.float32))  # of another side
    kept = merged(first, nothing, second)
    assert kept.masks is not None
    assert kept.masks[:, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_merging_again_changes_nothing(seed):
    once = merged(random_found(seed), random_found(seed + 100))
    assert rows_of(merged(once)) == rows_of(once)
    assert rows_of(merged(once, once)) == rows_of(once)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_parts_does_not_matter(seed):
    parts = [random_found(seed + 10 * i, count=20) for i in range(4)]
    shuffled = [parts[i] for i in np.random.default_rng(seed).permutation(4)]
    assert rows_of(merged(*shuffled)) == rows_of(merged(*parts))


def tensors(detections):
    arrays = detections.boxes_xyxy, detections.scores, detections.label_ids
    return tuple(torch.from_numpy(array) for array in arrays)


@pytest.mark.parametrize("count", [0, 1, 100, 1500])  # torchvision has another way for over 1000
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_suppression_is_torchvisions(count, threshold):
    boxes, scores, label_ids = tensors(random_found(count, count=count, classes=5))
    kept = suppress(boxes, scores, label_ids, iou_threshold=threshold)
    expected = batched_nms(boxes.double(), scores.double(), label_ids, threshold)
    assert kept.tolist() == expected.tolist()


@pytest.mark.parametrize("count", [10, 1500])
def test_equal_scores_keep_their_order(count):
    starts = torch.arange(count, dtype=torch.float32)[:, None] * 10
    boxes = torch.cat([starts, starts, starts + 5, starts + 5], dim=1)
    label_ids = torch.arange(count) % 7
    kept = suppress(boxes, torch.full((count,), 0.5), label_ids, iou_threshold=0.5)
    assert kept.tolist() == list(range(count))


def test_classes_stay_apart_left_of_the_picture_and_at_any_number():
    boxes = torch.tensor([[-50.0, -50.0, -40.0, -40.0], [0.0, 0.0, 10.0, 10.0]]).repeat(500, 1)
    label_ids = torch.arange(1000)
    kept = suppress(boxes, torch.linspace(1, 0.5, 1000), label_ids, iou_threshold=0.1)
    assert kept.tolist() == list(range(1000))
