"""Registering copies the model folder as it is now, an edited settings.json included."""

import json
import shutil

import numpy as np
import pytest

from inference.errors import ModelFolderError, UsageError
from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from tests.e2e.commands import run
from training.register import register


def registered_folder(source, home):
    """Register `source` in the model store below `home` and return the stored folder."""
    done = run(
        "-m", "training", "register", source, "--name", "small", env={"BENTOML_HOME": str(home)}
    )
    assert done.returncode == 0, done.stderr
    version = done.stdout.splitlines()[0].removeprefix("registered small:").strip()
    return home / "models" / "small" / version


def scores_of(path, data):
    photos = sorted(data.rglob("*.jpg"))[:3]
    with Predictor(open_model_folder(path)) as predictor:
        return np.stack([one.probs for one in predictor.score_all(photos)])


def test_a_changed_resize_size_changes_what_is_computed(runs, data, tmp_path):
    mine = tmp_path / "model"
    shutil.copytree(runs / "small/whole/best/model", mine)
    before = scores_of(registered_folder(mine, tmp_path), data)
    settings = json.loads((mine / "settings.json").read_text())
    settings["valid_resize_size"] *= 2
    (mine / "settings.json").write_text(json.dumps(settings))
    after = scores_of(registered_folder(mine, tmp_path), data)
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
