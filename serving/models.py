"""The model that a server was asked for: a folder, or a tag of BentoML's model store."""

from dataclasses import dataclass
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, InvalidArgument

from inference.model_folder import FACTS_FILE


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """Where a model folder lies, and the name it is known by; `stored` if the store has it."""

    path: Path
    tag: str
    stored: bool


def locate_model(name: str) -> LocatedModel:
    """Find `name`, a path or NAME:VERSION; the version "latest" becomes the one it stands for.

    Raises InvalidArgument, which BentoML shows without a traceback.
    """
    path = Path(name).expanduser()
    if (path / FACTS_FILE).is_file():
        return LocatedModel(path.resolve(), path.resolve().name, stored=False)
    try:
        model = bentoml.models.get(name)
    except (BentoMLException, ValueError) as error:
        raise InvalidArgument(
            f"model {name!r} is neither a model folder nor in the model store ({error}); "
            "`bentoml models list` shows what is there"
        ) from None
    return LocatedModel(Path(model.path), str(model.tag), stored=True)
