"""A detector's folder and an image to pictures and maps of its objects."""

import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO

import numpy as np
import orjson
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from inference.__main__ import app
from inference.detect import views_of
from inference.errors import BadRequest, ExplanationFailed
from inference.families import detector_named
from inference.image import decode_image
from inference.networks import load_network
from inference.predictor import Predictor
from inference.preprocess import normalize
from inference.responses import dump_json, result_body
from inference.schema import XaiParameters
from inference.types import Task
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder, write_model_folder
from xai.detection.explainer import DetectorExplainer, explained_boxes
from xai.detection.search import search
from xai.explainer import Explainer, explanation_body, load_explainer
from xai.paths import no_checkpoint

PHOTO = encoded(1, size_wh=(90, 60))
IMAGE = decode_image(PHOTO)
TILED = {
    "tile_grid_size": "2x1",
    "tile_overlap_ratio": 0.0,
    "tile_predictions_nms_thresh": 1.0,
    "box_detections_per_img": 1000,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_detector_folder(
        tmp_path_factory.mktemp("yolov5"),
        family="yolov5",
        settings={"img_size": 96, "box_score_thresh": 0.002, "box_detections_per_img": 8},
        options={"model_size": "nano"},
    )


@pytest.fixture(scope="module")
def explainer(folder):
    return load_explainer(folder, offline=True)


def parameters(algorithm=None, **values):
    return XaiParameters(xai_algorithm=algorithm, **{"n_masks": 3, **values})


def body_of(explainer, **values):
    chosen = parameters(**values)
    return explanation_body(explainer.explain(IMAGE, chosen), chosen, Task.DETECTION)


def test_the_objects_are_those_of_the_server(folder, explainer):
    with Predictor(folder, device="cpu") as predictor:
        (expected,) = predictor.score_all([PHOTO])
    found = explainer.explain(IMAGE, parameters()).found
    np.testing.assert_array_equal(found.detections.label_ids, expected.detections.label_ids)
    np.testing.assert_allclose(
        found.detections.boxes_xyxy, expected.detections.boxes_xyxy, atol=1e-3
    )
    np.testing.assert_allclose(found.detections.scores, expected.detections.scores, atol=1e-6)


def test_an_answer_has_a_picture_and_a_map_per_box(explainer):
    body = body_of(explainer, attributions=True)
    assert list(body) == ["visualizations", "attributions", "explained_boxes"]
    boxes = result_body(explainer.explain(IMAGE, parameters()).found)["boxes"]
    assert [len(values) for values in body.values()] == [len(boxes)] * 3 == [8] * 3
    for index, (picture, map_, box) in enumerate(zip(*body.values(), strict=True)):
        with Image.open(BytesIO(b64decode(picture))) as png:
            assert (png.format, png.size) == ("PNG", (90, 60))
        assert (map_.shape, map_.dtype) == ((60, 90), np.float32)
        assert np.isfinite(map_).all()
        assert map_.min() >= 0
        assert map_.any()
        assert box == {"index": index, **boxes[index]}
    assert orjson.loads(dump_json(body))["explained_boxes"][0]["index"] == 0


def test_chosen_boxes_are_explained_as_in_the_whole_answer(explainer):
    every = body_of(explainer, attributions=True)
    some = body_of(explainer, attributions=True, boxes=[5, 2, 2])
    assert [box["index"] for box in some["explained_boxes"]] == [2, 5]
    for index in range(8):
        if index in (2, 5):
            assert some["visualizations"][index] == every["visualizations"][index]
            np.testing.assert_array_equal(some["attributions"][index], every["attributions"][index])
        else:
            assert some["visualizations"][index] is None
            assert some["attributions"][index] is None


@pytest.mark.parametrize(
    ("wanted", "count", "expected"),
    [(None, 0, ()), (None, 5, (0, 1, 2)), ([], 5, ()), ([4, 0], 5, (0, 4)), ([1, 1], 5, (1,))],
)
def test_which_boxes_are_explained(wanted, count, expected):
    assert explained_boxes(wanted, count=count, most=3) == expected


@pytest.mark.parametrize(
    ("wanted", "count", "message"),
    [
        ([0], 0, "boxes must be empty, since 0 objects were found, got 0"),
        ([0, 5], 5, r"boxes must be in 0…4, since 5 objects were found, got 5"),
        ([-1], 5, "got -1"),
        ([0, 1, 2, 3], 5, "boxes may name 3 boxes, got 4"),
    ],
)
def test_boxes_that_cannot_be_explained_are_named(wanted, count, message):
    with pytest.raises(BadRequest, match=message):
        explained_boxes(wanted, count=count, most=3)


def test_an_image_without_objects_has_an_empty_explanation(folder, explainer):
    nothing = folder.settings.overridden({"box_score_thresh": 1.0})
    for algorithm in ("odam", "xrai", "drise"):
        chosen = parameters(algorithm, attributions=True)
        explanation = explainer.explain(IMAGE, chosen, settings=nothing)
        body = explanation_body(explanation, chosen, Task.DETECTION)
        assert body == {"visualizations": [], "attributions": [], "explained_boxes": []}


def test_every_algorithm_gives_another_map(explainer):
    maps = {name: explainer.explain(IMAGE, parameters(name)).maps for name in ("odam", "drise")}
    brightest = {name: int(found[0].argmax()) for name, found in maps.items()}
    assert brightest["odam"] != brightest["drise"]
    np.testing.assert_array_equal(explainer.explain(IMAGE, parameters()).maps, maps["odam"])


def test_regions_hold_the_mean_of_the_map(explainer):
    odam, xrai = (explainer.explain(IMAGE, parameters(name)).maps[0] for name in ("odam", "xrai"))
    values = np.unique(xrai)
    assert len(values) < 200 < len(np.unique(odam))
    for value in values:
        assert odam.min() <= value <= odam.max()
    assert xrai.sum() == pytest.approx(odam.sum(), rel=1e-3)


@pytest.mark.parametrize("algorithm", ["guided_gradcam", "integrated_gradients"])
def test_methods_of_classifiers_are_refused(explainer, algorithm):
    with pytest.raises(BadRequest, match=f"one of odam, xrai, drise .*got '{algorithm}'"):
        explainer.explain(IMAGE, parameters(algorithm))


def test_a_method_of_minutes_is_not_served(folder):
    served = load_explainer(folder)
    with pytest.raises(BadRequest, match="one of odam, xrai for a detector, got 'drise'"):
        served.explain(IMAGE, parameters("drise"))


def test_classifiers_refuse_what_is_for_detectors(tmp_path):
    classifier = load_explainer(write_model_folder(tmp_path))
    assert isinstance(classifier, Explainer)
    with pytest.raises(BadRequest, match="boxes is for detectors"):
        classifier.explain(IMAGE, parameters(boxes=[0]))
    with pytest.raises(BadRequest, match="unknown explanation method 'odam'"):
        classifier.explain(IMAGE, parameters("odam"))


@pytest.mark.parametrize("algorithm", ["odam", "drise"])
def test_an_object_of_a_tile_is_explained_in_its_tile(folder, explainer, algorithm):
    tiled = folder.settings.overridden(TILED)
    views = views_of(IMAGE, tiled, object_px=None)
    view_ids = [origin.view_id for origin in origins_of(folder, views)]
    boxes = [view_ids.index(view_id) for view_id in range(3)]  # the whole image, left, right
    chosen = parameters(algorithm, boxes=boxes)
    explanation = explainer.explain(IMAGE, chosen, settings=tiled)
    assert explanation.explained == tuple(sorted(boxes))
    for index, map_ in zip(explanation.explained, explanation.maps, strict=True):
        left, top, right, bottom = views[view_ids[index]].canvas.geometry.region_xyxy
        beside = map_.copy()
        beside[top:bottom, left:right] = 0
        assert not beside.any()
        assert map_.any()


def origins_of(folder, views):
    family, network = detector_named(folder.facts.family), load_network(folder)

    def read(view):
        pixels = normalize(view.canvas.pixels[None], mean=family.mean, std=family.std)
        return family.read_evidence(network, torch.from_numpy(pixels))

    return search(
        views,
        read,
        network=network,
        family=family,
        labels=folder.facts.labels,
        checkpoint=no_checkpoint,
    ).origins


@pytest.mark.parametrize("algorithm", ["odam", "xrai", "drise"])
def test_a_checkpoint_ends_it_at_any_point(explainer, algorithm):
    calls = []

    def count():
        calls.append(None)

    explainer.explain(IMAGE, parameters(algorithm), checkpoint=count)
    assert len(calls) >= 10  # the search, and every object

    def raise_at(last):
        remaining = iter(range(last))

        def checkpoint():
            if next(remaining, None) is None:
                raise ExplanationFailed("given up")

        return checkpoint

    for last in (0, 1, len(calls) - 1):
        with pytest.raises(ExplanationFailed, match="given up"):
            explainer.explain(IMAGE, parameters(algorithm), checkpoint=raise_at(last))


def test_threads_get_what_one_gets(explainer):
    expected = explainer.explain(IMAGE, parameters()).maps
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: explainer.explain(IMAGE, parameters()).maps, range(8)):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-12)


def test_a_gradient_that_is_no_number_is_an_error_not_a_picture(folder):
    explainer = DetectorExplainer(folder)
    read = explainer._family.read_evidence

    def damaged(network, canvases):
        evidence = read(network, canvases)

        def trace(rows, label_ids):
            traced = evidence.trace(rows, label_ids)
            return replace(traced, log_odds=traced.log_odds * float("nan"))

        return replace(evidence, trace=trace)

    explainer._family = replace(explainer._family, read_evidence=damaged)
    with pytest.raises(ExplanationFailed, match="odam met values that are not finite"):
        explainer.explain(IMAGE, parameters())


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 700), (1300, 3)])
def test_images_of_odd_shapes_are_explained(explainer, size_wh):
    explanation = explainer.explain(decode_image(encoded(0, size_wh=size_wh)), parameters())
    assert max(explanation.image_rgb.shape) <= 640
    assert all(map_.shape == explanation.image_rgb.shape[:2] for map_ in explanation.maps)


def test_a_folder_is_explained(folder, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(PHOTO)
    output = tmp_path / "found.jsonl"
    command = [str(tmp_path / "photos"), "--model", str(folder.path), "--output", str(output)]
    command += ["--explain", "odam", "--set", "box_detections_per_img=2"]
    assert CliRunner().invoke(app, command).exit_code == 0
    (line,) = map(json.loads, output.read_text().splitlines())
    assert list(line) == ["filename", "boxes", "visualizations", "explained_boxes"]
    assert [len(line[key]) for key in list(line)[1:]] == [2, 2, 2]
    result = CliRunner().invoke(app, [*command, "--explain", "guided_gradcam"])
    assert "unknown algorithm 'guided_gradcam' (allowed: drise, odam, xrai" in str(result.exception)


@pytest.mark.slow  # a thousand proposals
def test_segments_are_outlined_whatever_form_the_answer_has(tmp_path):
    folder = write_detector_folder(
        tmp_path,
        family="maskrcnn_resnet18_fpn",
        settings={"min_size": 64, "max_size": 128, "box_score_thresh": 0.05},
    )
    explainer = load_explainer(folder)
    settings = folder.settings.overridden({"export_as_image": True, "box_detections_per_img": 2})
    explanation = explainer.explain(IMAGE, parameters(), settings=settings)
    assert explanation.explained == (0, 1)
    assert all(isinstance(outline, list) for outline in explanation.found.outlines)
    body = explanation_body(explanation, parameters(), Task.SEGMENTATION)
    assert all(body["visualizations"])
