"""Whole models measured: classifiers and detectors with random weights."""

import numpy as np
import pytest
import torch

from inference.errors import UsageError
from inference.image import decode_image
from inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inference.schema import XaiParameters
from inference.types import Task
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder, write_model_folder
from xai.detection.explainer import DetectorExplainer
from xai.explainer import Explainer
from xai.methods import METHODS
from xai.quality.classifiers import STEPS, ClassifierJudge
from xai.quality.data import Example
from xai.quality.detectors import DetectorJudge
from xai.quality.evaluate import evaluate
from xai.quality.objects import LabelledObject
from xai.quality.page import page_html
from xai.quality.perturbation import exchange_curve, pixel_ranks
from xai.quality.recognition import recognition
from xai.quality.references import REFERENCES

IMAGE = decode_image(encoded(1, size_wh=(60, 48)))
METHOD_NAMES = ("integrated_gradients", "guided_gradcam")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    return write_model_folder(folder, image_size=32, resize_size=36, crop_size=32)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for seed in (1, 2):
        (folder / f"{seed}.png").write_bytes(encoded(seed, size_wh=(48, 40)))
    (folder / "3.png").write_bytes(b"no image")
    return [Example(folder / f"{seed}.png") for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def quality(classifier, examples):
    return evaluate(classifier, examples, METHOD_NAMES, n_steps=4)


def test_methods_come_first_then_references(quality):
    assert [row.method for row in quality.rows] == [*METHOD_NAMES, *REFERENCES]
    assert [row.is_reference for row in quality.rows] == [False, False, True, True]


def test_each_row_has_the_measures_that_apply_to_it(quality):
    faithfulness = ["insertion", "deletion", "road", "infidelity"]
    assert [list(row.means) for row in quality.rows] == [
        [*faithfulness, "randomisation", "completeness"],
        [*faithfulness, "randomisation"],
        faithfulness,
        faithfulness,
    ]
    for row in quality.rows:
        assert {mean.images for mean in row.means.values()} == {2}
        assert len(row.curves["insertion"]) == len(row.curves["deletion"]) == STEPS + 1
        assert all(0 <= row.means[name].value <= 1 for name in ("insertion", "deletion"))


def test_insertion_ends_where_deletion_begins_at_the_image_itself(quality):
    for row in quality.rows:
        assert row.curves["insertion"][-1] == pytest.approx(row.curves["deletion"][0], abs=1e-6)


def test_an_image_that_cannot_be_read_is_left_out_and_named(quality):
    assert quality.images == 2
    (line,) = quality.left_out
    assert "3.png: the bytes are not an image" in line


def test_numbers_repeat_whatever_else_is_measured_and_follow_the_seed(
    classifier, examples, quality
):
    again = evaluate(classifier, examples, METHOD_NAMES[1:])
    assert again.as_json()["rows"] == quality.as_json()["rows"][1:]
    other = evaluate(classifier, examples, METHOD_NAMES[1:], seed=1)
    rows = {row.method: row.means["deletion"] for row in quality.rows}
    others = {row.method: row.means["deletion"] for row in other.rows}
    assert {name for name in others if others[name] != rows[name]} == {"random"}


def test_no_image_at_all_is_an_error(classifier, examples):
    with pytest.raises(UsageError, match=r"none of 1 images can be measured; .*3\.png"):
        evaluate(classifier, examples[2:], METHOD_NAMES)


def test_the_page_loads_nothing_and_escapes_names(quality):
    page = page_html(quality, model="<b>")
    assert "<b>" not in page.split("<table>")[0]
    assert "//" not in page
    assert page.count("<polyline") == 4 * len(quality.rows)


def test_what_is_measured_is_the_explanation_that_a_server_gives(classifier):
    results = ClassifierJudge(classifier, sorted(METHODS), n_steps=4).measure(IMAGE, (0,))
    explainer = Explainer(classifier)
    mean, std = torch.tensor([IMAGENET_MEAN, IMAGENET_STD])
    for name, method in METHODS.items():
        explanation = explainer.explain(IMAGE, XaiParameters(xai_algorithm=name, n_steps=4))
        (target,) = explanation.targets
        image = ((torch.tensor(explanation.crop_rgb) / 255 - mean) / std).permute(2, 0, 1)

        def score(images, target=target):
            return torch.softmax(explainer._network(images), dim=1)[:, target].numpy()

        ranks = pixel_ranks(method.to_scores(explanation.attributions[0]))
        curve = exchange_curve(score, image, torch.zeros_like(image), ranks, steps=STEPS)
        np.testing.assert_allclose(results[name].curves["deletion"], curve, atol=1e-4)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return write_detector_folder(
        tmp_path_factory.mktemp("detector"),
        family="yolov5",
        settings={"img_size": 64, "box_score_thresh": 0.002, "box_detections_per_img": 4},
        options={"model_size": "nano"},
    )


def found_object(detector):
    """The surest object in IMAGE, and the same as a label."""
    found = DetectorExplainer(detector).explain(IMAGE, XaiParameters(xai_algorithm="odam")).found
    x1, y1, x2, y2 = found.detections.boxes_xyxy[0] / np.tile(found.size_hw[::-1], 2)
    label = found.labels[found.detections.label_ids[0]]
    return found, LabelledObject(label, (float(x1), float(y1), float(x2), float(y2)))


def test_an_object_is_recognised_in_its_own_image_with_its_score(detector):
    found, _ = found_object(detector)
    detections = found.detections
    image = torch.from_numpy(IMAGE).permute(2, 0, 1).float()[None]
    explainer, box = DetectorExplainer(detector), detections.boxes_xyxy[0]
    label_id = int(detections.label_ids[0])
    assert recognition(explainer, box, label_id)(image) == pytest.approx(
        detections.scores[:1], rel=1e-3
    )
    beside = box + np.float32(IMAGE.shape[1])  # where nothing of the image is
    assert recognition(explainer, beside, label_id)(image) == 0


def test_a_detector_is_measured_on_the_objects_that_it_found(detector):
    judge = DetectorJudge(detector, ("odam", "xrai"))
    _, item = found_object(detector)
    results = judge.measure(IMAGE, [item], (0,))
    assert list(results) == ["odam", "xrai", *REFERENCES]
    for measured in results.values():
        faithfulness = ["insertion", "deletion"]
        assert list(measured.values) == [*faithfulness, "pointing_game", "relevance_mass"]
        assert list(measured.curves) == faithfulness
        assert all(0 <= value <= 1 for value in measured.values.values())
    assert judge.measure(IMAGE, [], (0,)) == {}


def test_the_page_of_a_detector_has_its_curves(detector, tmp_path):
    _, item = found_object(detector)
    path = tmp_path / "1.png"
    path.write_bytes(encoded(1, size_wh=(60, 48)))
    quality = evaluate(detector, [Example(path, (item,))], ("odam",))
    page = page_html(quality, model="boxes")
    assert page.count("<polyline") == 2 * len(quality.rows)
    assert "overlap with the explained box" in page


def test_a_detector_that_finds_nothing_is_an_error_that_says_so(detector, examples):
    assert detector.facts.task is Task.DETECTION
    with pytest.raises(UsageError, match="no labelled object was found in it"):
        evaluate(detector, examples[:1], ("odam",))
