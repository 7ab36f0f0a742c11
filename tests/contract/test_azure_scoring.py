"""A client written from Azure's documentation alone, against a real server, for both tasks."""

import base64
import io
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.types import Task
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import running_server

CROP = 64
LABELS = ["a", "b", "c"]
ALGORITHMS = ["xrai", "integrated_gradients", "guided_gradcam", "guided_backprop"]


ENGINES = {Task.CLASSIFICATION: "torch", Task.MULTILABEL: "onnxruntime"}


@pytest.fixture(scope="module", params=ENGINES)
def task_and_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Task, str]]:
    home = tmp_path_factory.mktemp(request.param)
    folder = write_model_folder(home / "model", task=request.param, crop_size=CROP, onnx=True)
    arguments = (f"model={folder.path}", f"engine={ENGINES[request.param]}", "device=cpu")
    with running_server(*arguments, home=home) as server:
        yield request.param, server.url


def invoke(url: str, *data: Any) -> list[dict[str, Any]]:
    body = str.encode(json.dumps({"input_data": {"columns": ["image"], "data": list(data)}}))
    request = urllib.request.Request(f"{url}/score", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        assert response.headers["Content-Type"] == "application/json"
        answer: list[dict[str, Any]] = json.loads(response.read())
    return answer


def text(image: bytes) -> str:
    return base64.encodebytes(image).decode("utf-8")


def explained(image: bytes, **parameters: Any) -> str:
    return json.dumps(
        {"image_base64": text(image), "model_explainability": True, "xai_parameters": parameters}
    )


def test_plain_images_give_probabilities_in_label_order(task_and_url: tuple[Task, str]) -> None:
    task, url = task_and_url
    answer = invoke(url, *(text(encoded(seed)) for seed in range(3)))
    assert [list(one) for one in answer] == [["probs", "labels"]] * 3
    for one in answer:
        assert one["labels"] == LABELS
        assert all(0 <= p <= 1 for p in one["probs"])
        if task is Task.CLASSIFICATION:
            assert sum(one["probs"]) == pytest.approx(1, abs=1e-6)
    assert answer[0]["probs"] != answer[1]["probs"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_explanations_are_pictures_and_numbers(
    task_and_url: tuple[Task, str], algorithm: str
) -> None:
    task, url = task_and_url
    (one,) = invoke(
        url,
        explained(
            encoded(1),
            xai_algorithm=algorithm,
            n_steps=4,
            attributions=True,
            confidence_score_threshold_multilabel=0.0,
        ),
    )
    assert list(one) == ["probs", "labels", "visualizations", "attributions"]
    pictures, numbers = one["visualizations"], one["attributions"]
    if task is Task.CLASSIFICATION:
        pictures, numbers = [pictures], [numbers]
    assert len(pictures) == len(numbers) == (1 if task is Task.CLASSIFICATION else len(LABELS))
    for picture, attribution in zip(pictures, numbers, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(picture))) as grid:
            assert (grid.format, grid.size) == ("PNG", (2 * CROP, 2 * CROP))
        assert np.shape(attribution) == (3, CROP, CROP)


def test_the_default_is_xrai_with_a_picture_and_no_numbers(task_and_url: tuple[Task, str]) -> None:
    _, url = task_and_url
    image = encoded(2)
    request = json.dumps({"image_base64": text(image), "model_explainability": True})
    (plain,) = invoke(url, request)
    (named,) = invoke(url, explained(image, xai_algorithm="xrai", xrai_fast=True))
    assert list(plain) == ["probs", "labels", "visualizations"]
    assert plain == named


def test_a_threshold_that_no_class_reaches_explains_none(task_and_url: tuple[Task, str]) -> None:
    task, url = task_and_url
    request = explained(encoded(3), n_steps=2, confidence_score_threshold_multilabel=1.0)
    (one,) = invoke(url, request)
    if task is Task.MULTILABEL:
        assert one["visualizations"] == []
    else:
        assert one["visualizations"]


def test_explained_and_plain_images_mix_in_one_request(task_and_url: tuple[Task, str]) -> None:
    _, url = task_and_url
    image = encoded(4)
    plain, explained_one, one_in_a_list = invoke(
        url, text(image), explained(image, xai_algorithm="guided_backprop"), [text(image)]
    )
    assert list(plain) == list(one_in_a_list) == ["probs", "labels"]
    assert list(explained_one) == ["probs", "labels", "visualizations"]
    for other in (explained_one, one_in_a_list):
        assert other["probs"] == pytest.approx(plain["probs"], abs=1e-5)
