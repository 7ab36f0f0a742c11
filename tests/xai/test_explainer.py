import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from inference.errors import ExplanationFailed
from inference.families import FAMILIES, Family
from inference.files import sha256_of
from inference.model_folder import ModelFolder, open_model_folder, write_facts
from inference.networks import load_network
from inference.preprocess import normalize
from inference.schema import XaiParameters
from inference.types import Task, probabilities
from tests.model_folders import write_model_folder
from tests.xai.nets import photo
from xai import paths
from xai.explainer import Explainer, explained_classes
from xai.explanation import Explanation, explanation_body
from xai.methods import METHODS
from xai.quadrature import quadrature

LARGE = {"resnet101", "resnet152", "resnest101", "vitb16r224", "vitl16r224"}
SOME_FAMILIES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name
    for name, family in FAMILIES.items()
    if isinstance(family, Family)
]
IMAGE = photo("astronaut", 90)


def parameters(algorithm: str = "xrai", **values: Any) -> XaiParameters:
    return XaiParameters(xai_algorithm=algorithm, **{"n_steps": 2, **values})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model_folder(tmp_path_factory.mktemp("multiclass"))


@pytest.fixture(scope="module")
def explainer(folder: ModelFolder) -> Explainer:
    return Explainer(folder)


@pytest.fixture(scope="module")
def multilabel(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    path = tmp_path_factory.mktemp("multilabel")
    return Explainer(write_model_folder(path, family="mobilenetv2", task=Task.MULTILABEL))


@pytest.mark.parametrize("name", SOME_FAMILIES)
def test_every_method_explains_every_family(name: str, tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path, family=name)
    explainer = Explainer(folder)
    folder.weights_path.unlink()  # up to 1.2 GB, which pytest would keep for three runs
    for algorithm in METHODS:
        explanation = explainer.explain(IMAGE, parameters(algorithm))
        (attribution,) = explanation.attributions
        assert attribution.shape == (3, 64, 64)
        assert attribution.dtype == np.float32
        assert np.isfinite(attribution).all()
        assert attribution.any(), f"{algorithm} found nothing"
        assert explanation.targets == (int(explanation.probs.argmax()),)


def test_the_crop_and_the_probabilities_are_the_models(
    folder: ModelFolder, explainer: Explainer
) -> None:
    explanation = explainer.explain(IMAGE, parameters("guided_backprop"))
    with torch.no_grad():
        logits = load_network(folder)(torch.from_numpy(normalize(explanation.crop_rgb[None])))
    expected = probabilities(logits[0].numpy(), Task.CLASSIFICATION)
    np.testing.assert_allclose(explanation.probs, expected, atol=1e-5)


def test_the_logit_is_explained_from_its_unfolded_network(
    folder: ModelFolder, explainer: Explainer
) -> None:
    explanation = explainer.explain(IMAGE, parameters("integrated_gradients", n_steps=4))
    image = torch.from_numpy(normalize(explanation.crop_rgb[None])[0])
    rule = quadrature(4, "riemann_middle")
    path = paths.Path(image, torch.zeros_like(image), explanation.targets)
    expected = paths.integrate(load_network(folder), path, rule)
    scale = float(expected.abs().max())
    np.testing.assert_allclose(explanation.attributions[0], expected[0], atol=1e-3 * scale)


def test_gauss_legendre_and_the_full_merge_are_other_answers(explainer: Explainer) -> None:
    variants = [{}, {"approximation_method": "gausslegendre"}, {"xrai_fast": False}]
    maps = [explainer.explain(IMAGE, parameters(**v)).attributions[0] for v in variants]
    assert not np.array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


def test_xrai_is_the_same_in_all_channels(explainer: Explainer) -> None:
    red, green, blue = explainer.explain(IMAGE, parameters()).attributions[0]
    np.testing.assert_array_equal(red, green)
    np.testing.assert_array_equal(red, blue)


@pytest.mark.parametrize("algorithm", METHODS)
def test_a_constant_image_is_explained_without_nan(explainer: Explainer, algorithm: str) -> None:
    request = parameters(algorithm, attributions=True)
    explanation = explainer.explain(np.full((80, 80, 3), 128, np.uint8), request)
    assert np.isfinite(explanation.attributions[0]).all()
    assert explanation_body(explanation, request, Task.CLASSIFICATION)["visualizations"]


@pytest.mark.parametrize("algorithm", METHODS)
def test_threads_give_what_one_gives(explainer: Explainer, algorithm: str) -> None:
    def explain(name: str) -> Explanation:
        return explainer.explain(photo(name, 80), parameters(algorithm))

    names = ["astronaut", "coffee", "chelsea", "rocket"]
    alone = [explain(name).attributions[0] for name in names]
    with ThreadPoolExecutor(4) as pool:
        together = [explanation.attributions[0] for explanation in pool.map(explain, names)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(one).max(), rtol=1e-3)


def test_all_methods_at_once_do_not_disturb_each_other(explainer: Explainer) -> None:
    def explain(algorithm: str) -> Explanation:
        return explainer.explain(IMAGE, parameters(algorithm))

    alone = [explain(algorithm).attributions[0] for algorithm in METHODS]
    with ThreadPoolExecutor(len(METHODS)) as pool:
        together = [explanation.attributions[0] for explanation in pool.map(explain, METHODS)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(one).max(), rtol=1e-3)


@pytest.mark.parametrize("algorithm", METHODS)
def test_the_network_is_left_untouched(explainer: Explainer, algorithm: str) -> None:
    network = explainer._network
    before = {name: id(module) for name, module in network.named_modules()}
    explainer.explain(IMAGE, parameters(algorithm))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert {name: id(module) for name, module in network.named_modules()} == before
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())


@pytest.mark.parametrize("algorithm", METHODS)
def test_a_checkpoint_can_end_an_explanation(explainer: Explainer, algorithm: str) -> None:
    def late() -> None:
        raise ExplanationFailed("not explained within 1 s")

    with pytest.raises(ExplanationFailed, match="within 1 s"):
        explainer.explain(IMAGE, parameters(algorithm), checkpoint=late)


@pytest.mark.parametrize(
    ("probs", "task", "threshold", "expected"),
    [
        ([0.2, 0.5, 0.3], Task.CLASSIFICATION, 0.9, (1,)),
        ([0.4, 0.4, 0.2], Task.CLASSIFICATION, 0.5, (0,)),
        ([0.2, 0.5, 0.3], Task.MULTILABEL, 0.5, (1,)),
        ([0.9, 0.1, 0.8], Task.MULTILABEL, 0.5, (0, 2)),
        ([0.9, 0.1, 0.8], Task.MULTILABEL, 0.95, ()),
        ([0.9, 0.1, 0.8], Task.MULTILABEL, 0.0, (0, 1, 2)),
    ],
)
def test_which_classes_are_explained(
    probs: list[float], task: Task, threshold: float, expected: tuple[int, ...]
) -> None:
    assert explained_classes(np.asarray(probs, np.float32), task, threshold=threshold) == expected


@pytest.mark.parametrize("algorithm", METHODS)
def test_several_classes_are_as_many_single_ones(multilabel: Explainer, algorithm: str) -> None:
    values = parameters(algorithm, confidence_score_threshold_multilabel=0.0)
    explanation = multilabel.explain(IMAGE, values)
    assert explanation.targets == (0, 1, 2)
    threshold = float(explanation.probs.max())
    best = parameters(algorithm, confidence_score_threshold_multilabel=threshold)
    single = multilabel.explain(IMAGE, best)
    (target,) = single.targets
    expected, actual = explanation.attributions[target], single.attributions[0]
    np.testing.assert_allclose(actual, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-4)


@pytest.mark.parametrize("algorithm", METHODS)
def test_no_class_over_the_threshold_gives_empty_lists(
    multilabel: Explainer, algorithm: str
) -> None:
    values = parameters(algorithm, confidence_score_threshold_multilabel=1.0, attributions=True)
    explanation = multilabel.explain(IMAGE, values)
    assert explanation.targets == ()
    body = explanation_body(explanation, values, Task.MULTILABEL)
    assert body == {"visualizations": [], "attributions": []}


def test_a_tuned_threshold_holds_where_the_request_names_none(tmp_path: Path) -> None:
    write_model_folder(tmp_path, family="mobilenetv2", task=Task.MULTILABEL)
    settings = json.loads((tmp_path / "settings.json").read_text())
    settings["confidence_score_threshold_multilabel"] = 0.0
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    tuned = Explainer(open_model_folder(tmp_path))
    assert tuned.explain(IMAGE, parameters("guided_backprop")).targets == (0, 1, 2)
    values = parameters("guided_backprop", confidence_score_threshold_multilabel=1.0)
    assert tuned.explain(IMAGE, values).targets == ()


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"visualizations": False}, set()),
        ({}, {"visualizations"}),
        ({"attributions": True}, {"visualizations", "attributions"}),
        ({"visualizations": False, "attributions": True}, {"attributions"}),
    ],
)
def test_an_answer_has_what_was_asked_for(
    explainer: Explainer, asked: dict[str, bool], keys: set[str]
) -> None:
    values = parameters("guided_backprop", **asked)
    body = explanation_body(explainer.explain(IMAGE, values), values, Task.CLASSIFICATION)
    assert set(body) == keys


def test_a_multiclass_answer_as_it_goes_over_the_wire(explainer: Explainer) -> None:
    values = parameters("guided_backprop", attributions=True)
    explanation = explainer.explain(IMAGE, values)
    body = explanation_body(explanation, values, Task.CLASSIFICATION)
    wire = json.loads(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY))
    attributions = np.asarray(wire["attributions"], np.float32)
    np.testing.assert_array_equal(attributions, explanation.attributions[0])
    with Image.open(BytesIO(b64decode(wire["visualizations"], validate=True))) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 128))


def test_a_multilabel_answer_has_a_list_per_key(multilabel: Explainer) -> None:
    values = parameters(
        "guided_backprop", attributions=True, confidence_score_threshold_multilabel=0.0
    )
    body = explanation_body(multilabel.explain(IMAGE, values), values, Task.MULTILABEL)
    assert [len(body[key]) for key in ("visualizations", "attributions")] == [3, 3]


def test_weights_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path)
    weights = load_file(folder.weights_path)
    weights["layer4.1.conv2.weight"].fill_(float("nan"))
    save_file(weights, folder.weights_path)
    files = {folder.weights_path.name: sha256_of(folder.weights_path)}
    write_facts(tmp_path, folder.facts.model_copy(update={"files": files}))
    with pytest.raises(ExplanationFailed, match="xrai met values that are not finite"):
        Explainer(open_model_folder(tmp_path)).explain(IMAGE, parameters())


def test_an_explanation_is_checked_when_it_is_made() -> None:
    crop, probs = np.zeros((4, 4, 3), np.uint8), np.ones(1, np.float32)
    with pytest.raises(ValueError, match=r"shape \(3, 4, 4\) for each of the 1 targets, got \[\]"):
        Explanation(crop, probs, (0,), ())
