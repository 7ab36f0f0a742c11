from typing import Any

import pytest
from pydantic import ValidationError

from inference.errors import BadRequest
from inference.settings import (
    ClassificationSettings,
    LetterboxSettings,
    MultilabelSettings,
    SegmentationSettings,
    Settings,
    ShortSideSettings,
    label_threshold,
    settings_class,
)
from inference.types import Task


@pytest.mark.parametrize(
    ("task", "canvas", "names"),
    [
        (Task.CLASSIFICATION, None, "valid_resize_size valid_crop_size"),
        (Task.MULTILABEL, None, "valid_resize_size valid_crop_size"),
        (
            Task.DETECTION,
            "short_side",
            "min_size max_size box_score_thresh nms_iou_thresh box_detections_per_img "
            "tile_grid_size tile_overlap_ratio tile_predictions_nms_thresh",
        ),
        (
            Task.DETECTION,
            "letterbox",
            "img_size model_size box_score_thresh nms_iou_thresh box_detections_per_img "
            "tile_grid_size tile_overlap_ratio tile_predictions_nms_thresh",
        ),
        (
            Task.SEGMENTATION,
            "short_side",
            "min_size max_size box_score_thresh nms_iou_thresh box_detections_per_img "
            "tile_grid_size tile_overlap_ratio tile_predictions_nms_thresh "
            "mask_pixel_score_threshold max_number_of_polygon_points export_as_image image_type",
        ),
    ],
)
def test_every_task_has_azures_settings(task: Task, canvas: Any, names: str) -> None:
    assert set(settings_class(task, canvas)().model_dump()) == set(names.split())


def test_a_label_threshold_is_written_only_where_it_was_tuned() -> None:
    tuned = MultilabelSettings(confidence_score_threshold_multilabel=0.25)
    assert tuned.model_dump()["confidence_score_threshold_multilabel"] == 0.25
    assert tuned.overridden({}) == tuned
    assert [label_threshold(one) for one in (tuned, MultilabelSettings())] == [0.25, 0.5]
    with pytest.raises(BadRequest, match="a classifier has none"):
        tuned.overridden({"confidence_score_threshold_multilabel": 0.5})


def test_a_request_replaces_single_values_under_either_name() -> None:
    model = ShortSideSettings(min_size=320, box_score_thresh=0.4)
    changed = model.overridden({"box_score_threshold": 0.9, "tile_grid_size": "3x2"})
    assert changed == ShortSideSettings(min_size=320, box_score_thresh=0.9, tile_grid_size="3x2")
    assert model.box_score_thresh == 0.4
    assert model.overridden({}) == model


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (ShortSideSettings(), {"box_score_thresh": 1.5}, "settings.box_score_thresh: .*got 1.5"),
        (ShortSideSettings(), {"nms_iou_threshold": -1}, "settings.nms_iou_thresh: .*got -1"),
        (ShortSideSettings(), {"box_score_thresh": "0.5"}, "settings.box_score_thresh: .*'0.5'"),
        (ShortSideSettings(), {"box_score_thresh": float("nan")}, "box_score_thresh: .*got nan"),
        (ShortSideSettings(), {"tile_overlap_ratio": 1}, "tile_overlap_ratio: .*less than 1"),
        (ShortSideSettings(), {"tile_grid_size": "0x0"}, "tile_grid_size: .*got '0x0'"),
        (ShortSideSettings(), {"tile_grid_size": 3}, "settings.tile_grid_size: .*got 3"),
        (ShortSideSettings(), {"box_detections_per_img": 0}, "box_detections_per_img: .*got 0"),
        (ShortSideSettings(), {"box_scor_thresh": 1}, "did you mean 'box_score_thresh'"),
        (ShortSideSettings(), {"min_size": 64}, "min_size belongs to the model"),
        (LetterboxSettings(), {"img_size": 64}, "img_size belongs to the model"),
        (LetterboxSettings(), {"mask_pixel_score_threshold": 0.5}, "unknown key 'mask_pixel"),
        (SegmentationSettings(), {"image_type": "gif"}, "settings.image_type: .*'JPG'"),
        (SegmentationSettings(), {"max_number_of_polygon_points": 2}, "polygon_points: .*3, got 2"),
        (ClassificationSettings(), {"valid_crop_size": 64}, "a classifier has none"),
    ],
)
def test_wrong_settings_of_a_request_are_named(
    model: Settings, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        model.overridden(values)


@pytest.mark.parametrize("text", ["jpg", "JPG", "Png", "bmp"])
def test_image_types_are_read_in_any_case(text: str) -> None:
    assert SegmentationSettings(image_type=text).image_type == text.upper()


def test_sides_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"max_size must be at least min_size \(800\)"):
        ShortSideSettings(min_size=800, max_size=600)
