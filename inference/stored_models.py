"""A model by the name that commands take: a folder, or NAME:VERSION in BentoML's model store."""

import os
from pathlib import Path

from inference.errors import UsageError
from inference.model_folder import FACTS_FILE, ModelFolder, open_model_folder


def open_model(name: str) -> ModelFolder:
    """Open a model folder, or the stored model of that name.

    Raises UsageError when there is neither, ModelFolderError when it cannot be used.
    """
    path = Path(name)
    return open_model_folder(path if (path / FACTS_FILE).is_file() else _stored(name))


def _stored(tag: str) -> Path:
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"  # its Python API does not understand "1"
    import bentoml
    from bentoml.exceptions import BentoMLException

    try:
        return Path(bentoml.models.get(tag).path)
    except (BentoMLException, ValueError) as error:
        raise UsageError(
            f"model {tag!r} is neither a model folder nor in the model store ({error})"
        ) from None
