"""Files of a checkpoint: a local folder, or a repository of the Hugging Face hub at one commit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inference.errors import UsageError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_DESCRIPTION = ("config.json", "preprocessor_config.json", "processor_config.json", "README.md")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
_TIMEOUT_S = 5.0  # of the first contact: a hub that cannot be reached must not hold a job up
_WAYS_OUT = (
    "Ways out: a local folder with config.json and model.safetensors as model_name or, for a model "
    "that is known here, `pretrained: false` or `weights: PATH`"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checkpoint by the name that a job gives it.

    folder holds its description, not yet its weights. revision: the commit, None for a local
    folder. licence: as the README's first lines say, None if they do not.
    """

    name: str
    folder: Path
    revision: str | None
    licence: str | None

    def provenance(self) -> dict[str, str | None]:
        """What model.json keeps of it."""
        return {"name": self.name, "revision": self.revision, "licence": self.licence}


def is_checkpoint(name: str) -> bool:
    """Whether a name can be one of the hub's (owner/name) or is a local folder's."""
    return Path(name).is_dir() or _HUB_ID.fullmatch(name) is not None


def describe_checkpoint(name: str) -> Snapshot:
    """Find what describes a checkpoint: a few small files, of the hub or of its cache.

    Raises UsageError, with the ways out, if the hub cannot be reached or has no such repository.
    """
    folder = Path(name)
    if folder.is_dir():
        return Snapshot(name, folder, None, _licence(folder / "README.md"))
    if _HUB_ID.fullmatch(name) is None:
        raise UsageError(f"{name} is neither a folder nor a model of the hub (owner/name)")
    folder = fetch(name, _DESCRIPTION)
    return Snapshot(name, folder, folder.name, _licence(folder / "README.md"))


def load_pretrained(kind: Any, snapshot: Snapshot, config: Any) -> tuple[Any, Any]:
    """Load a checkpoint as a class of transformers; returns the library's report of it as well.

    Heads of other shapes stay new; what else is new is for the caller to judge by the report.
    Raises UsageError (see folder_with_weights).
    """
    network, report = kind.from_pretrained(
        str(folder_with_weights(snapshot)),
        config=config,
        dtype="float32",
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    return network, report


def folder_with_weights(snapshot: Snapshot) -> Path:
    """Fetch a checkpoint's weights; return the folder that holds all its files.

    Raises UsageError if they cannot be fetched, or are not safetensors: a pickle may run any code.
    """
    folder = snapshot.folder
    if snapshot.revision is not None:
        folder = fetch(snapshot.name, _WEIGHTS, revision=snapshot.revision)
    if not any(folder.glob("model*.safetensors")):
        others = _other_files(snapshot, folder)
        raise UsageError(
            f"{snapshot.name} has no model.safetensors (it has {others or 'no weights'}), and a "
            "pickle is not loaded: it may run any code. Convert a checkpoint that you trust with "
            '`AutoModel….from_pretrained("…").save_pretrained("FOLDER")` of transformers and give '
            "`model_name: FOLDER`, or set `pretrained: false`"
        )
    return folder


def fetch(repository: str, patterns: Sequence[str], *, revision: str | None = None) -> Path:
    """Download files of a repository, or find them in the client's cache; return their folder.

    Raises UsageError, with the ways out, when that fails.
    """
    import huggingface_hub
    from huggingface_hub.utils.tqdm import disable_progress_bars

    huggingface_hub.logging.set_verbosity_error()
    disable_progress_bars()
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=list(patterns), etag_timeout=_TIMEOUT_S
        )
    except Exception as error:  # its own classes and those of whichever HTTP client it uses
        raise unreachable(repository, error) from None
    return Path(folder)


def _other_files(snapshot: Snapshot, folder: Path) -> str:
    """Name the weights that a checkpoint has instead. Raises UsageError if the hub is silent."""
    names = [file.name for file in folder.iterdir()]
    if snapshot.revision is not None:
        from huggingface_hub import HfApi

        try:
            info = HfApi().model_info(snapshot.name, revision=snapshot.revision, timeout=_TIMEOUT_S)
        except Exception as error:  # its own classes and those of whichever HTTP client it uses
            raise unreachable(snapshot.name, error) from None
        names = [file.rfilename for file in info.siblings or ()]
    return ", ".join(sorted(n for n in names if n.endswith((".bin", ".h5", ".msgpack", ".pt"))))


def unreachable(name: str, error: Exception) -> UsageError:
    """Say in one line that a checkpoint cannot be fetched, why, and what else there is."""
    reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
    return UsageError(
        f"{name} cannot be fetched from the Hugging Face hub ({reason.rstrip('.')}). {_WAYS_OUT}"
    )


def _licence(readme: Path) -> str | None:
    """Read `license:` of the YAML between the first two lines of dashes."""
    if not readme.is_file():
        return None
    parts = re.split(r"^---\s*$", readme.read_text(encoding="utf-8"), maxsplit=2, flags=re.M)
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        values = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    licence = values.get("license") if isinstance(values, dict) else None
    return ", ".join(map(str, licence)) if isinstance(licence, list) else licence
