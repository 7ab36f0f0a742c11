import math
import time
from typing import Any

import orjson
import pytest

from inference.schema import XaiParameters
from inference.settings import ClassificationSettings
from serving.explainer import JsonExplainer
from tests.inference.images import encoded
from tests.model_folders import write_model_folder

PARAMETERS = XaiParameters(xai_algorithm="integrated_gradients", n_steps=4, attributions=True)


SETTINGS = ClassificationSettings(valid_resize_size=72, valid_crop_size=64)


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> JsonExplainer:
    return JsonExplainer(write_model_folder(tmp_path_factory.mktemp("model")), device="cpu")


def question(**changed: Any) -> dict[str, Any]:
    parameters = PARAMETERS.model_copy(update=changed)
    return {"parameters": parameters.model_dump(), "settings": SETTINGS.model_dump()}


def test_an_explanation_is_json_by_key(explainer: JsonExplainer) -> None:
    texts = explainer(encoded(), question(), deadline=math.inf)
    assert list(texts) == ["visualizations", "attributions"]
    assert isinstance(orjson.loads(texts["visualizations"]), str)
    assert [len(row) for row in orjson.loads(texts["attributions"])] == [64, 64, 64]


@pytest.mark.parametrize(
    ("image", "deadline", "code", "message"),
    [
        (encoded(), 0.0, "explanation_failed", "given up, the time for it has passed"),
        (encoded(), None, "explanation_failed", "given up, the time for it has passed"),
        (b"no image", math.inf, "bad_image", "not an image"),
    ],
)
def test_a_refusal_is_an_answer_too(
    explainer: JsonExplainer, image: bytes, deadline: float | None, code: str, message: str
) -> None:
    if deadline is None:  # passes while it runs: 500 steps take longer
        deadline = time.monotonic() + 0.05
    asked = question(n_steps=500)
    error = orjson.loads(explainer(image, asked, deadline=deadline)["explanation_error"])
    assert error["code"] == code
    assert message in error["message"]
