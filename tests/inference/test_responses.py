import json

import numpy as np
import pytest

from inference.errors import BadImage, ExplanationFailed
from inference.responses import dump_json, error_body, explanation_error_body, result_body
from inference.types import ClassScores


def test_scores_are_azures_body() -> None:
    probs = np.array([0.1, 0.9], np.float32)
    assert dump_json(result_body(ClassScores(probs, ("a", "é")))) == (
        '{"probs":[0.1,0.9],"labels":["a","é"]}'.encode()
    )


@pytest.mark.parametrize("image_index", [None, 0, 3])
def test_errors_have_one_shape(image_index: int | None) -> None:
    assert error_body(BadImage("empty"), image_index=image_index) == {
        "error": {"code": "bad_image", "message": "empty", "image_index": image_index}
    }


def test_a_missing_explanation_says_why() -> None:
    assert explanation_error_body(ExplanationFailed("late")) == {
        "explanation_error": {"code": "explanation_failed", "message": "late"}
    }


@pytest.mark.parametrize("array", [np.zeros((0,)), np.eye(3)[:, ::2], np.eye(2, dtype=np.float32)])
def test_arrays_of_any_layout_are_json(array: np.ndarray) -> None:
    assert json.loads(dump_json({"a": array})) == {"a": array.tolist()}
