"""Detectors behind the predictor: batches, thresholds, tiles and outlines of whole images."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from inference.candidates import Candidates
from inference.detect import choose, views_of
from inference.errors import BadRequest
from inference.model_folder import ModelFolder
from inference.polygons import fill_polygons
from inference.predictor import Predictor
from inference.responses import result_body
from inference.settings import LetterboxSettings, SegmentationSettings, ShortSideSettings
from inference.types import ObjectsFound
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder

SMALL = {"min_size": 64, "max_size": 192, "box_score_thresh": 0.3}
FAMILIES: dict[str, dict[str, Any]] = {
    "maskrcnn_resnet18_fpn": SMALL,
    "yolov5": {"img_size": 96, "model_size": "nano", "box_score_thresh": 0.002},
}
SIZES_WH = [(90, 90), (130, 90), (64, 64), (300, 80), (1, 1), (90, 90), (40, 200), (2000, 1)]
IMAGES = [encoded(seed, size_wh=size_wh) for seed, size_wh in enumerate(SIZES_WH)]
WAIT_S = 60


# A thousand proposals for each image cost seconds.
PARAMS = [
    "yolov5",
    pytest.param("maskrcnn_resnet18_fpn", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=PARAMS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    options = {"model_size": "nano"} if request.param == "yolov5" else {}
    return write_detector_folder(
        tmp_path_factory.mktemp(request.param),
        family=request.param,
        settings=FAMILIES[request.param],
        options=options,
        object_px=4.0,
    )


@pytest.fixture(scope="module")
def predictor(folder: ModelFolder) -> Iterator[Predictor]:
    with Predictor(folder, device="cpu", max_batch=4, max_queue=64) as predictor:
        yield predictor


def found_in(
    predictor: Predictor, images: Sequence[bytes], settings: Sequence[dict[str, Any]] | None = None
) -> list[ObjectsFound]:
    model = predictor.folder.settings
    wanted = [model.overridden(one) for one in settings or [{}] * len(images)]
    futures = predictor.submit(images, settings=wanted)
    results = [future.result(WAIT_S).value for future in futures]
    found = [result for result in results if isinstance(result, ObjectsFound)]
    assert len(found) == len(results)
    return found


def assert_same(one: ObjectsFound, other: ObjectsFound) -> None:
    assert one.size_hw == other.size_hw
    a, b = one.detections, other.detections
    np.testing.assert_array_equal(a.label_ids, b.label_ids)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
    scale = np.tile([one.size_hw[1], one.size_hw[0]], 2)
    np.testing.assert_allclose(a.boxes_xyxy / scale, b.boxes_xyxy / scale, atol=1e-4)
    if a.masks is not None and len(a):
        np.testing.assert_allclose(a.masks, b.masks, atol=1e-3)


def test_no_images_give_no_results(predictor: Predictor) -> None:
    assert found_in(predictor, []) == []


def test_an_image_is_found_the_same_alone_and_among_any_neighbours(predictor: Predictor) -> None:
    together = found_in(predictor, IMAGES)
    assert sum(len(one.detections) for one in together) > 0
    for image, expected in zip(IMAGES, together, strict=True):
        (alone,) = found_in(predictor, [image])
        assert_same(alone, expected)


def test_boxes_lie_inside_their_image_and_scores_fall(predictor: Predictor) -> None:
    for size_wh, one in zip(SIZES_WH, found_in(predictor, IMAGES), strict=True):
        boxes = one.detections.boxes_xyxy
        assert one.size_hw == size_wh[::-1]
        assert (boxes >= 0).all()
        assert (boxes <= np.tile(size_wh, 2)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (np.diff(one.detections.scores) <= 0).all()


def test_requests_in_one_mix_get_exactly_what_they_get_alone(predictor: Predictor) -> None:
    mix: list[dict[str, Any]] = [
        {},
        {"box_score_thresh": 1.0},
        {"box_score_thresh": 0.0, "box_detections_per_img": 7},
        {"nms_iou_threshold": 0.05, "box_score_thresh": 0.001},
        {"nms_iou_threshold": 1.0, "box_score_thresh": 0.001},
        {"tile_grid_size": "2x1"},
        {"tile_grid_size": "2x2", "tile_overlap_ratio": 0.0, "tile_predictions_nms_thresh": 0.9},
        {"tile_grid_size": "auto"},
    ]
    image = IMAGES[1]
    together = found_in(predictor, [image] * len(mix), mix)
    for settings, expected in zip(mix, together, strict=True):
        (alone,) = found_in(predictor, [image], [settings])
        assert_same(alone, expected)
    assert len(together[1].detections) == 0
    assert len(together[2].detections) == 7
    assert len(together[3].detections) < len(together[4].detections)


def test_a_grid_too_fine_for_one_image_is_that_images_error(predictor: Predictor) -> None:
    settings = predictor.folder.settings.overridden({"tile_grid_size": "3x3"})
    square, wide = predictor.submit(IMAGES[2:4], settings=[settings] * 2)
    with pytest.raises(BadRequest, match=r"3x3 cuts this image of 64×64 .* into tiles of 26×26"):
        square.result(WAIT_S)
    assert wide.result(WAIT_S).value.size_hw == (80, 300)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (ShortSideSettings(min_size=64, max_size=192), [(64, 128, 3)]),
        (ShortSideSettings(min_size=64, max_size=192, tile_grid_size="2x1"), [(64, 128, 3)] * 3),
        (LetterboxSettings(img_size=96, tile_grid_size="3x2"), [(96, 96, 3)] * 7),
        (LetterboxSettings(img_size=96, tile_grid_size="1x1"), [(96, 96, 3)]),
        (LetterboxSettings(img_size=96, tile_grid_size="auto"), [(96, 96, 3)]),
    ],
)
def test_an_image_has_one_view_and_one_per_tile(settings: Any, sizes: list[Any]) -> None:
    views = views_of(np.zeros((100, 180, 3), np.uint8), settings, object_px=None)
    assert [view.canvas.pixels.shape for view in views] == sizes
    assert views[0].canvas.geometry.region_xyxy == (0, 0, 180, 100)


def candidates(boxes: list[list[float]], scores: list[list[float]]) -> Candidates:
    return Candidates(
        torch.zeros(len(boxes), dtype=torch.int64),
        torch.tensor(boxes).reshape(-1, 1, 4),
        torch.tensor(scores).reshape(len(boxes), 2),
    )


A, B, FAR = [0.0, 0.0, 10.0, 10.0], [0.0, 1.0, 10.0, 11.0], [50.0, 50.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ("boxes", "scores", "settings", "expected"),
    [
        ([], [], {}, []),
        ([A], [[0.3, 0.2]], {}, []),  # the threshold itself is not enough
        ([A], [[0.4, 0.2]], {}, [(0.4, 0)]),
        ([A], [[0.4, 0.5]], {}, [(0.5, 1), (0.4, 0)]),  # one box, two classes
        ([A, B], [[0.4, 0], [0.6, 0]], {}, [(0.6, 0)]),  # the better of two that overlap
        ([A, B], [[0.4, 0], [0, 0.6]], {}, [(0.6, 1), (0.4, 0)]),  # not if the class differs
        ([A, B], [[0.4, 0], [0.6, 0]], {"nms_iou_thresh": 0.9}, [(0.6, 0), (0.4, 0)]),
        ([A, FAR], [[0.4, 0], [0.6, 0]], {"box_detections_per_img": 1}, [(0.6, 0)]),
    ],
)
def test_thresholds_choose_among_candidates(
    boxes: Any, scores: Any, settings: dict[str, Any], expected: list[tuple[float, int]]
) -> None:
    proposed = candidates(boxes, scores)
    rows, label_ids = choose(proposed, 0, ShortSideSettings(**settings))
    values = proposed.scores[rows, label_ids].tolist()
    got = list(zip(values, label_ids.tolist(), strict=True))
    assert got == [(pytest.approx(score), label) for score, label in expected]


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    folder = write_detector_folder(
        tmp_path_factory.mktemp("masks"), family="maskrcnn_resnet18_fpn", settings=SMALL
    )
    with Predictor(folder, device="cpu") as predictor:
        yield predictor


def test_masks_are_polygons_of_at_most_so_many_points(segmenter: Predictor) -> None:
    few = {"max_number_of_polygon_points": 5, "mask_pixel_score_threshold": 0.4}
    (one,) = found_in(segmenter, IMAGES[:1], [few])
    body = result_body(one)
    assert body["boxes"]
    for item in body["boxes"]:
        points = sum(len(ring) // 2 for ring in item["polygon"])
        assert 0 <= points <= 5
        assert all(0 <= value <= 1 for ring in item["polygon"] for value in ring)


def test_masks_as_images_show_what_the_polygons_show(segmenter: Predictor) -> None:
    image = {"export_as_image": True, "image_type": "PNG", "mask_pixel_score_threshold": 0.4}
    rings = {"mask_pixel_score_threshold": 0.4, "max_number_of_polygon_points": 1000}
    pictures, polygons = found_in(segmenter, [IMAGES[1]] * 2, [image, rings])
    height, width = pictures.size_hw
    pairs = zip(result_body(pictures)["boxes"], result_body(polygons)["boxes"], strict=True)
    for picture, polygon in pairs:
        assert "polygon" not in picture
        data = np.frombuffer(base64.b64decode(picture["mask"]), np.uint8)
        mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) > 127
        assert mask.shape == (height, width)
        scaled = [
            (np.reshape(ring, (-1, 2)) * (width, height)).ravel().tolist()
            for ring in polygon["polygon"]
        ]
        drawn = fill_polygons(scaled, size_hw=(height, width))
        assert (mask & drawn).sum() >= 0.9 * (mask | drawn).sum()


def test_settings_with_masks_are_those_of_segmentation(segmenter: Predictor) -> None:
    assert isinstance(segmenter.folder.settings, SegmentationSettings)
