"""A model folder into BentoML's model store; the one file of training that knows BentoML."""

import os
import shutil
from pathlib import Path

from inference.errors import UsageError
from inference.model_folder import open_model_folder
from training.runs import find_model

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before the import, which would report home


def register(source: str, *, name: str, runs: Path) -> str:
    """Copy the best model of a run, or a model folder, into the model store; return its new tag.

    The folder is checked first, so an edited settings.json with a mistake is found here. Raises
    UsageError, ModelFolderError.
    """
    import bentoml
    from bentoml.exceptions import BentoMLException

    path = find_model(runs, source)
    folder = open_model_folder(path)
    facts = folder.facts
    try:
        with bentoml.models.create(
            name,
            labels={"task": facts.task.value, "family": facts.family},
            metadata={"labels": list(facts.labels), "metrics": facts.metrics},
        ) as model:
            shutil.copytree(path, model.path, dirs_exist_ok=True)
    except (BentoMLException, ValueError, OSError) as error:
        raise UsageError(f"cannot register as {name!r}: {error}") from None
    return str(model.tag)
