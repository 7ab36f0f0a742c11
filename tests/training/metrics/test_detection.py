import numpy as np
import pytest

from inference.types import Detections
from training.metrics.detection import ImageTruth, compare, metrics_of, per_label_metrics

LABELS = ("cat", "dog")
SIZE_HW = (100, 120)
CAT = [0, 0, 10, 10]
OTHER_CAT = [50, 50, 60, 60]
TWICE = [0, 0, 10, 20]  # IoU with CAT is 1 / 2


def truth(*objects, crowds=()):
    """Objects (box_xyxy, label_id) of one image."""
    boxes = np.array([box for box, _ in objects], np.float32).reshape(-1, 4)
    label_ids = np.array([label for _, label in objects], np.int64)
    is_crowd = np.isin(np.arange(len(objects)), crowds)
    return ImageTruth(boxes, label_ids, is_crowd, SIZE_HW)


def found(*predictions):
    """Predictions (box_xyxy, label_id, score) of one image."""
    boxes = np.array([box for box, _, _ in predictions], np.float32).reshape(-1, 4)
    scores = np.array([score for _, _, score in predictions], np.float32)
    return Detections(boxes, scores, np.array([label for _, label, _ in predictions], np.int64))


def voc(predictions, truths, **changes):
    return metrics_of(
        compare(predictions, truths, **{"labels": LABELS, "metric_type": "voc"} | changes)
    )


@pytest.mark.parametrize(
    ("objects", "predictions", "average_precision", "precision", "recall"),
    [
        pytest.param(truth(), found(), 0, 0, 0, id="nothing"),
        pytest.param(truth(), found((CAT, 0, 0.9)), 0, 0, 0, id="nothing to find"),
        pytest.param(truth((CAT, 0)), found(), 0, 0, 0, id="nothing found"),
        pytest.param(truth((CAT, 0)), found((CAT, 0, 0.9)), 1, 1, 1, id="perfect"),
        pytest.param(truth((CAT, 0)), found((TWICE, 0, 0.9)), 1, 1, 1, id="half overlapping"),
        pytest.param(
            truth((CAT, 0)), found(([0, 0, 10, 21], 0, 0.9)), 0, 0, 0, id="less than half"
        ),
        pytest.param(
            truth((CAT, 0)), found((CAT, 0, 0.9), (CAT, 0, 0.8)), 1, 1 / 2, 1, id="duplicate"
        ),
        pytest.param(
            truth((CAT, 0)),
            found((OTHER_CAT, 0, 0.9), (CAT, 0, 0.8)),
            1 / 2,
            1 / 2,
            1,
            id="the surer one is wrong",
        ),
        pytest.param(
            truth((CAT, 0), (OTHER_CAT, 0)), found((CAT, 0, 0.9)), 1 / 2, 1, 1 / 2, id="one missed"
        ),
        pytest.param(truth((CAT, 0)), found((CAT, 1, 0.9)), 0, 0, 0, id="wrong label"),
        pytest.param(
            truth((CAT, 0)),
            found((CAT, 0, 0.9), (OTHER_CAT, 1, 0.9)),
            1,
            1,
            1,
            id="a label without objects is left out",
        ),
        pytest.param(
            truth((CAT, 0), (OTHER_CAT, 1)),
            found((CAT, 0, 0.9)),
            1 / 2,
            1 / 2,
            1 / 2,
            id="a label without predictions counts zero",
        ),
        pytest.param(truth((CAT, 0), crowds=[0]), found((CAT, 0, 0.9)), 0, 0, 0, id="only a crowd"),
        pytest.param(
            truth(([40, 40, 80, 80], 0), (CAT, 0), crowds=[0]),
            found((OTHER_CAT, 0, 0.9), (OTHER_CAT, 0, 0.8), (CAT, 0, 0.7)),
            1,
            1,
            1,
            id="predictions on a crowd",
        ),
        pytest.param(
            truth(([40, 40, 80, 80], 1), (CAT, 0), crowds=[0]),
            found((OTHER_CAT, 0, 0.9), (CAT, 0, 0.7)),
            1 / 2,
            1 / 2,
            1,
            id="a crowd of another label excuses nothing",
        ),
    ],
)
def test_voc_by_hand(objects, predictions, average_precision, precision, recall):
    assert voc([predictions], [objects]) == pytest.approx(
        {
            "mean_average_precision": average_precision,
            "precision": precision,
            "recall": recall,
        }
    )


def test_no_images_give_zero():
    assert set(voc([], []).values()) == {0.0}


def test_coco_by_hand():
    values = voc([found((TWICE, 0, 0.9))], [truth((CAT, 0), (OTHER_CAT, 0))], metric_type="coco")
    assert values == pytest.approx(
        {
            # one of ten IoU thresholds is reached, and there recalls 0.00, 0.01 … 0.50
            "mean_average_precision": 51 / 101 / 10,
            "mean_average_precision_50": 51 / 101,
            "mean_average_precision_75": 0,
            "mean_average_precision_small": 51 / 101 / 10,
            "precision": 1,
            "recall": 1 / 2,
        }
    )


def test_coco_voc_has_vocs_values_and_cocos_under_a_prefix():
    images = [found((TWICE, 0, 0.9))], [truth((CAT, 0), (OTHER_CAT, 0))]
    both, of_voc, of_coco = (
        voc(*images, metric_type=metric_type) for metric_type in ("coco_voc", "voc", "coco")
    )
    shared = {"precision", "recall"}
    prefixed = {f"coco_{name}": of_coco[name] for name in of_coco if name not in shared}
    assert both == of_voc | prefixed


def test_none_gives_the_primary_metric_alone():
    values = voc([found((CAT, 0, 0.9))], [truth((CAT, 0))], metric_type="none")
    assert values == {"mean_average_precision": 1.0}


def test_a_higher_iou_threshold_asks_for_better_boxes():
    assert voc([found((TWICE, 0, 0.9))], [truth((CAT, 0))], iou_threshold=0.6)["recall"] == 0


def test_per_label_metrics_count_objects_and_predictions():
    comparison = compare(
        [found((CAT, 0, 0.9), (OTHER_CAT, 0, 0.8))],
        [truth((CAT, 0))],
        labels=LABELS,
        metric_type="voc",
        iou_threshold=0.5,
        kind="boxes",
        mask_threshold=0.5,
    )
    cat = {"average_precision": 1, "precision": 1 / 2, "recall": 1, "objects": 1, "predictions": 2}
    assert per_label_metrics(comparison) == {"cat": cat, "dog": dict.fromkeys(cat, 0)}


def test_predictions_and_truths_must_be_of_the_same_images():
    with pytest.raises(ValueError, match="same images, got 1 and 2"):
        voc([found()], [truth(), truth()])


def test_masks_need_masks_and_rings():
    with pytest.raises(ValueError, match="detections with masks"):
        voc([found((CAT, 0, 0.9))], [truth()], kind="masks")
    nothing = Detections(
        np.empty((0, 4), np.float32),
        np.empty(0, np.float32),
        np.empty(0, np.int64),
        np.empty((0, 14, 14), np.float32),
    )
    with pytest.raises(ValueError, match="rings of every object"):
        voc([nothing], [truth((CAT, 0))], kind="masks")


def test_predictions_of_the_same_score_count_together():
    images = [(found((CAT, 0, 0.5)), truth((CAT, 0))), (found((CAT, 0, 0.5)), truth())]
    for order in (images, images[::-1]):
        assert voc(*zip(*order, strict=True))["mean_average_precision"] == 1 / 2
