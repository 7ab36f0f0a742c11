"""What a request may ask of an explanation beyond Azure's options, and what it may not."""

from base64 import b64decode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from inference.errors import BadRequest
from inference.model_folder import ModelFolder
from inference.schema import XaiParameters
from inference.types import Task
from tests.model_folders import write_detector_folder, write_model_folder
from tests.xai.nets import photo
from xai.explainer import Explainer, explanation_body, load_explainer, named_classes
from xai.methods import METHODS

IMAGE = photo("astronaut", 90)
WITH_PATH = sorted(name for name, method in METHODS.items() if method.path)
WITHOUT_PATH = sorted(set(METHODS) - set(WITH_PATH))
RAW = {"xai_algorithm": "integrated_gradients", "n_steps": 2, "visualizations": False}


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(write_model_folder(tmp_path_factory.mktemp("multiclass")))


@pytest.fixture(scope="module")
def multilabel(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    path = tmp_path_factory.mktemp("multilabel")
    return Explainer(write_model_folder(path, family="mobilenetv2", task=Task.MULTILABEL))


def body_of(explainer: Explainer, task: Task = Task.CLASSIFICATION, **values: Any) -> Any:
    parameters = XaiParameters(**{"n_steps": 2, **values})
    return explanation_body(explainer.explain(IMAGE, parameters), parameters, task)


def decoded(text: str) -> Any:
    return np.load(BytesIO(b64decode(text, validate=True)))


@pytest.mark.parametrize(
    ("names", "expected"), [(["a"], (0,)), (["c", "a"], (2, 0)), (["a", "b", "c"], (0, 1, 2))]
)
def test_where_named_classes_are(names: list[str], expected: tuple[int, ...]) -> None:
    assert named_classes(names, ("a", "b", "c")) == expected


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.MULTILABEL])
def test_chosen_classes_come_in_the_order_they_were_named(
    explainer: Explainer, multilabel: Explainer, task: Task
) -> None:
    subject = multilabel if task is Task.MULTILABEL else explainer
    asked = {**RAW, "attributions": True, "visualizations": True}
    body = body_of(subject, task, **asked, target_classes=["c", "a"])
    assert set(body) == {"visualizations", "attributions", "explained_classes"}
    assert body["explained_classes"] == ["c", "a"]
    assert [len(values) for values in body.values()] == [2, 2, 2]
    for place, name in enumerate(["c", "a"]):
        alone = body_of(subject, task, **asked, target_classes=[name])
        assert alone["explained_classes"] == [name]
        one, other = alone["attributions"][0], body["attributions"][place]
        np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(one).max(), rtol=1e-4)


def test_the_most_probable_class_may_be_named(explainer: Explainer) -> None:
    default = body_of(explainer, **RAW, attributions=True)
    best = "abc"[int(explainer.explain(IMAGE, XaiParameters(**RAW)).probs.argmax())]
    named = body_of(explainer, **RAW, attributions=True, target_classes=[best])
    np.testing.assert_array_equal(named["attributions"][0], default["attributions"])


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.MULTILABEL])
def test_an_unknown_class_is_helped(
    explainer: Explainer, multilabel: Explainer, task: Task
) -> None:
    subject = multilabel if task is Task.MULTILABEL else explainer
    with pytest.raises(BadRequest, match=r"unknown label in target_classes 'd' .allowed: a, b, c"):
        body_of(subject, task, target_classes=["a", "d"])
    with pytest.raises(BadRequest, match="'milk_botle'; did you mean 'milk_bottle'"):
        named_classes(["milk_botle"], ("can", "milk_bottle"))


@pytest.mark.parametrize("encoding", ["npy_f16", "npy_f32"])
def test_attributions_as_files(explainer: Explainer, encoding: str) -> None:
    plain = body_of(explainer, **RAW, attributions=True)["attributions"]
    body = body_of(explainer, **RAW, attributions=True, attributions_encoding=encoding)
    array = decoded(body["attributions"])
    assert array.shape == (3, 64, 64)
    np.testing.assert_allclose(array, plain, rtol=1e-3, atol=1e-7)
    several = body_of(
        explainer,
        **RAW,
        attributions=True,
        attributions_encoding=encoding,
        target_classes=["b", "a"],
    )
    assert [decoded(text).shape for text in several["attributions"]] == [(3, 64, 64)] * 2


@pytest.mark.parametrize(("top_percent", "shown"), [(30.0, 0.3), (10, 0.1), (100, 1.0)])
def test_the_picture_shows_as_much_as_was_asked_for(
    explainer: Explainer, top_percent: float, shown: float
) -> None:
    values = {"xai_algorithm": "guided_backprop", "top_percent": top_percent}
    picture = body_of(explainer, **values)["visualizations"]
    with Image.open(BytesIO(b64decode(picture))) as image:
        grid = np.asarray(image)
    quarter = grid[64:, 64:]
    dark = (grid[:64, :64].max(axis=2) == 0).mean()
    assert (quarter.max(axis=2) > 0).mean() == pytest.approx(shown, abs=dark + 0.001)


@pytest.mark.parametrize("algorithm", WITH_PATH)
def test_baselines_are_averaged(explainer: Explainer, algorithm: str) -> None:
    def raw(baselines: list[str] | None) -> Any:
        values = {**RAW, "attributions": True, "baselines": baselines}
        return body_of(explainer, **values)["attributions"]

    black, white, both = raw(["black"]), raw(["white"]), raw(["black", "white"])
    scale = np.abs(both).max()
    np.testing.assert_allclose(both, (black + white) / 2, atol=1e-5 * scale, rtol=1e-4)
    assert not np.allclose(black, white, atol=0.01 * scale)
    path = METHODS[algorithm].path
    assert path is not None
    default, named = (
        body_of(explainer, xai_algorithm=algorithm, attributions=True, baselines=names)
        for names in (None, list(path.baselines))
    )
    np.testing.assert_array_equal(default["attributions"], named["attributions"])


@pytest.mark.parametrize("algorithm", WITH_PATH)
def test_null_means_the_methods_own_number_of_nodes(explainer: Explainer, algorithm: str) -> None:
    path = METHODS[algorithm].path
    assert path is not None
    asked = {"xai_algorithm": algorithm, "return_delta": True, "visualizations": False}
    own = body_of(explainer, **asked, n_steps=None)
    assert own == {"convergence": own["convergence"]}
    assert own["convergence"]["n_steps"] == path.n_steps
    assert own == body_of(explainer, **asked, n_steps=path.n_steps)


@pytest.mark.parametrize("algorithm", WITH_PATH)
def test_auto_tells_what_it_took(multilabel: Explainer, algorithm: str) -> None:
    body = body_of(
        multilabel,
        Task.MULTILABEL,
        xai_algorithm=algorithm,
        n_steps="auto",
        tolerance=0.9,
        target_classes=["b", "a"],
        visualizations=False,
    )
    assert set(body) == {"convergence", "explained_classes"}
    for one in body["convergence"]:
        assert set(one) == {"completeness_delta", "n_steps"}
        assert one["n_steps"] in (5, 15, 45, 135, 405)
        assert np.isfinite(one["completeness_delta"])


@pytest.mark.parametrize("values", [{"n_steps": "auto", "tolerance": 0.9}, {"return_delta": True}])
def test_no_class_over_the_threshold_converges_to_nothing(
    multilabel: Explainer, values: dict[str, Any]
) -> None:
    body = body_of(multilabel, Task.MULTILABEL, confidence_score_threshold_multilabel=1.0, **values)
    assert body == {"visualizations": [], "convergence": []}


@pytest.mark.parametrize("algorithm", WITH_PATH)
@pytest.mark.parametrize("n_steps", [2, "auto"])
def test_an_even_image_is_explained_from_every_baseline(
    explainer: Explainer, algorithm: str, n_steps: int | str
) -> None:
    names = ["mean_colour", "black", "white", "image_min", "image_max", "blur"]
    parameters = XaiParameters(
        xai_algorithm=algorithm, n_steps=n_steps, tolerance=0.9, baselines=names, return_delta=True
    )
    explanation = explainer.explain(np.full((80, 80, 3), 255, np.uint8), parameters)
    assert np.isfinite(explanation.attributions[0]).all()
    assert np.isfinite(explanation.convergence[0].completeness_delta)


@pytest.mark.parametrize("algorithm", WITHOUT_PATH)
@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"baselines": ["black"]}, "baselines"),
        ({"n_steps": "auto"}, 'n_steps "auto"'),
        ({"return_delta": True}, "return_delta"),
    ],
)
def test_methods_without_a_path_refuse_its_options(
    explainer: Explainer, algorithm: str, values: dict[str, Any], option: str
) -> None:
    allowed = "integrated_gradients, xrai"
    with pytest.raises(BadRequest, match=rf"^{option} is for methods .*{allowed}.*{algorithm}$"):
        body_of(explainer, xai_algorithm=algorithm, **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_steps": 1}, 'an integer 2…500, "auto" or null'),
        ({"n_steps": 501}, "an integer 2…500"),
        ({"n_steps": True}, "an integer 2…500"),
        ({"n_steps": "Auto"}, "an integer 2…500"),
        ({"n_steps": "auto", "approximation_method": "gausslegendre"}, 'needs .* "riemann_middle"'),
        ({"n_steps": "auto", "approximation_method": "linspace"}, 'needs .*got "linspace"'),
        ({"tolerance": 0}, "greater than or equal to 0.0001"),
        ({"tolerance": 1.5}, "less than or equal to 1"),
        ({"tolerance": float("nan")}, "equal to"),
        ({"top_percent": 0}, "greater than or equal to 0.1"),
        ({"top_percent": 100.5}, "less than or equal to 100"),
        ({"target_classes": []}, "at least 1 item"),
        ({"target_classes": ["a", "b", "a"]}, "each only once"),
        ({"target_classes": "a"}, "valid list"),
        ({"baselines": []}, "at least 1 item"),
        ({"baselines": ["black", "black"]}, "each only once"),
        ({"baselines": ["pink"]}, "'mean_colour'"),
        ({"attributions_encoding": "npy"}, "'npy_f16'"),
        ({"approximation_method": "trapezoid"}, "'linspace'"),
    ],
)
def test_what_no_request_may_say(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        XaiParameters(**values)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_detector_folder(
        tmp_path_factory.mktemp("yolov5"),
        family="yolov5",
        settings={"img_size": 96, "box_score_thresh": 0.002, "box_detections_per_img": 2},
        options={"model_size": "nano"},
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target_classes": ["a"]}, "target_classes is for classifiers; name objects with boxes"),
        ({"baselines": ["black"]}, "baselines is for classifiers"),
        ({"return_delta": True}, "return_delta is for classifiers"),
        ({"n_steps": "auto"}, 'n_steps "auto" is for classifiers'),
    ],
)
def test_detectors_refuse_what_is_for_classifiers(
    detector: ModelFolder, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        load_explainer(detector).explain(IMAGE, XaiParameters(**values))


def test_maps_of_objects_as_files(detector: ModelFolder) -> None:
    explainer = load_explainer(detector)
    plain, packed = (
        XaiParameters(
            attributions=True, visualizations=False, attributions_encoding=encoding, boxes=[1]
        )
        for encoding in ("list", "npy_f32")
    )
    explanation = explainer.explain(IMAGE, plain)
    expected = explanation_body(explanation, plain, Task.DETECTION)["attributions"]
    actual = explanation_body(explanation, packed, Task.DETECTION)["attributions"]
    assert actual[0] is None
    np.testing.assert_array_equal(decoded(actual[1]), expected[1])
