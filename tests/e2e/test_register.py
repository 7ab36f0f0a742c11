"""Registering copies the model folder as it is now, an edited settings.json included."""

import json
import shutil

import numpy as np
import pytest
import torch

from inference.errors import ModelFolderError, UsageError
from inference.image import decode_image
from inference.model_folder import open_model_folder
from inference.networks import load_network
from inference.preprocess import normalize, resize_and_crop
from inference.types import probabilities
from tests.e2e.commands import run
from tests.service.servers import running_server
from training.register import register


def registered_tag(source, home):
    """Register a model folder in the model store below `home`; return its tag."""
    done = run(
        "-m", "training", "register", source, "--name", "small", env={"BENTOML_HOME": str(home)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0].removeprefix("registered ")


def served_probs(tag, engine, photo, home):
    """What a real server with this model answers for one photo."""
    arguments = (f"model={tag}", f"engine={engine}", "device=cpu", "explain=false")
    with running_server(*arguments, home=home) as server, server.client() as client:
        answer = client.post("/score", content=photo, headers={"Content-Type": "image/jpeg"})
    return np.array(answer.json()[0]["probs"])


def eager_probs(path, photo):
    """The same with the bare network and nothing of the server."""
    folder = open_model_folder(path)
    settings = folder.settings
    crop = resize_and_crop(
        decode_image(photo),
        resize_size=settings.valid_resize_size,
        crop_size=settings.valid_crop_size,
    )
    with torch.inference_mode():
        logits = load_network(folder)(torch.from_numpy(normalize(crop[None])))
    return probabilities(logits.numpy(), folder.facts.task)[0]


@pytest.mark.slow  # two servers; tests/service and test_engines.py have its parts
def test_eager_onnx_and_server_agree_and_a_changed_resize_size_changes_all(runs, data, tmp_path):
    mine = tmp_path / "model"
    shutil.copytree(runs / "small/whole/best/model", mine)
    photo = next(data.rglob("*.jpg")).read_bytes()

    before = eager_probs(mine, photo)
    served = served_probs(registered_tag(mine, tmp_path), "torch", photo, tmp_path)
    np.testing.assert_allclose(served, before, atol=1e-4)

    settings = json.loads((mine / "settings.json").read_text())
    settings["valid_resize_size"] *= 2
    (mine / "settings.json").write_text(json.dumps(settings))
    after = eager_probs(mine, photo)
    served = served_probs(registered_tag(mine, tmp_path), "onnxruntime", photo, tmp_path)
    np.testing.assert_allclose(served, after, atol=1e-4)
    assert np.abs(after - before).max() > 1e-3


def test_a_mistake_in_edited_settings_is_found_before_registering(runs, tmp_path):
    mine = tmp_path / "model"
    shutil.copytree(runs / "small/whole/best/model", mine)
    (mine / "settings.json").write_text('{"valid_resize_sise": 300}')
    with pytest.raises(ModelFolderError, match="did you mean 'valid_resize_size'"):
        register(str(mine), name="small", runs=runs)


def test_an_unknown_run_names_the_known_ones(runs):
    with pytest.raises(UsageError, match="small/whole"):
        register("hole", name="small", runs=runs)
