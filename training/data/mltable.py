"""MLTable: the YAML that says which JSON-lines files make up a table, and how to read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.errors import UsageError
from inference.names import unknown_name
from inference.validation import describe
from training.data.locations import local_path
from training.job_yaml import read_yaml, without_nulls

MLTABLE = "MLTable"
# Azure's names of encodings to Python's; a byte-order mark is no part of the text.
_CODECS = {
    "utf8": "utf-8-sig",
    "utf8bom": "utf-8-sig",
    "utf16": "utf-16",
    "utf32": "utf-32",
    "ascii": "ascii",
    "latin1": "latin-1",
    "iso88591": "latin-1",
    "windows1252": "cp1252",
}
_READ, _CONVERT = "read_json_lines", "convert_column_types"
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Table:
    """The JSON-lines files of a table, in order, Python's name of their encoding, and strictness.

    strict: `invalid_lines: error`, the first bad record ends the run. source: MLTable or .jsonl.
    """

    files: tuple[Path, ...]
    encoding: str
    strict: bool
    source: Path


def open_table(location: Path, *, datastores: Mapping[str, str]) -> Table:
    """Open a .jsonl file, an MLTable file, or a folder that holds one.

    Raises UsageError that names the file when it does not exist, says something that is not
    understood, or leads to no JSON-lines file.
    """
    path = location / MLTABLE if location.is_dir() else location
    if path.suffix.lower() in (".jsonl", ".json", ".ndjson"):
        _check_exists(path)
        return Table((path,), _CODECS["utf8"], strict=False, source=path)
    if not path.exists() and location.is_dir():
        raise UsageError(
            f"{location} holds no file named {MLTABLE}; or name a .jsonl file directly"
        )
    _check_exists(path)
    return _read_mltable(path, datastores)


class _PathEntry(BaseModel):
    """One entry of `paths`: exactly one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    pattern: str | None = None
    folder: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("must have exactly one of file, pattern, folder")
        return self


class _ReadJsonLines(BaseModel):
    """Options of read_json_lines; `include_path_column` adds a column that nothing here reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoding: str = "utf8"
    invalid_lines: Literal["error", "drop"] = "drop"
    include_path_column: bool = False


class _MLTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["mltable"] = "mltable"
    paths: list[_PathEntry] = Field(min_length=1)
    transformations: list[str | dict[str, Any]] = []
    metadata: Any = None
    traits: Any = None


def _read_mltable(path: Path, datastores: Mapping[str, str]) -> Table:
    values = without_nulls(read_yaml(path))
    values.pop("$schema", None)
    content = _validated(_MLTable, values, str(path))
    options = _validated(
        _ReadJsonLines, _read_options(content.transformations, path), f"{path}: {_READ}"
    )
    codec = _CODECS.get(options.encoding.lower().replace("-", "").replace("_", ""))
    if codec is None:
        raise UsageError(f"{path}: {unknown_name('encoding', options.encoding, _CODECS)}")
    files = [file for entry in content.paths for file in _files(entry, path, datastores)]
    return Table(tuple(files), codec, strict=options.invalid_lines == "error", source=path)


def _read_options(transformations: list[str | dict[str, Any]], path: Path) -> Any:
    """Return the options of read_json_lines. Raises UsageError for steps that would be skipped."""
    options: Any = {}
    for step in transformations:
        for name, value in step.items() if isinstance(step, dict) else [(step, None)]:
            if name not in (_READ, _CONVERT):
                problem = unknown_name("transformation", str(name), (_READ, _CONVERT))
                raise UsageError(f"{path}: {problem}; data are read as JSON lines, labels included")
            if name == _READ:
                options = value or {}
    return options


def _validated(model: type[_Model], values: Any, where: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: {describe(error, model)}") from None


def _files(entry: _PathEntry, source: Path, datastores: Mapping[str, str]) -> list[Path]:
    text = entry.file or entry.pattern or entry.folder or ""
    if entry.pattern and not Path(text).is_absolute() and "://" not in text:
        found = sorted(source.parent.glob(text))
    else:
        found = _below(local_path(text, base=source.parent, datastores=datastores), entry)
    files = [path for path in found if path.is_file() and path != source]
    if not files:
        raise UsageError(f"{source}: paths: no file matches {text!r} in {source.parent}")
    return files


def _below(path: Path, entry: _PathEntry) -> list[Path]:
    if entry.folder:
        return sorted(path.rglob("*.jsonl"))
    if entry.pattern:
        return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    return [path]


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise UsageError(
            f"{path} does not exist (a folder with a file {MLTABLE}, or a .jsonl file)"
        )
