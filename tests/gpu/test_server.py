"""The server on a GPU, as its documentation starts it."""

import base64
import json
from pathlib import Path

import pytest

from inference.predictor import Predictor
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import running_server

pytestmark = pytest.mark.gpu


def test_scores_and_explanations_come_from_the_gpu(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model", onnx=True)
    photo = encoded(0)
    with Predictor(folder, device="cpu") as predictor:
        (expected,) = predictor.score_all([photo])
    body = {
        "image_base64": base64.b64encode(photo).decode(),
        "model_explainability": True,
        "xai_parameters": {"xai_algorithm": "integrated_gradients", "n_steps": 10},
    }
    arguments = f"model={folder.path}"
    with running_server(arguments, home=tmp_path / "home") as server, server.client() as client:
        info = client.get("/info").json()
        (answer,) = client.post("/score", content=json.dumps(body)).json()
    assert info["engine"]["device"] == "cuda"
    assert answer["probs"] == pytest.approx(expected.probs.tolist(), abs=1e-2)
    assert answer["visualizations"]
