"""YAML files as plain values; what is wrong with them is told with file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inference.errors import UsageError


def read_yaml(path: Path) -> dict[str, Any]:
    """Parse a YAML file that holds a mapping.

    Raises UsageError for a file that cannot be read, for bad YAML (with the line), for a key that
    is there twice, and when the file holds something else than a mapping.
    """
    text = _read_text(path)
    try:
        values = yaml.load(text, _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        raise UsageError(f"{path}{_line_of(error)}: not valid YAML: {_problem(error)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # these have no line
        raise UsageError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: must hold a mapping of keys, got {_kind(values)}")
    return values


def without_nulls(value: Any) -> Any:
    """Drop keys with nothing behind them: an empty `limits:` is not given."""
    if isinstance(value, Mapping):
        return {str(key): without_nulls(item) for key, item in value.items() if item is not None}
    return value


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys in silence; no line of a file may be lost.

    What looks like a date stays text: `name: 2024-05-01` is a name.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping. Raises MarkedYAMLError at the second of two equal keys."""
        seen: set[str] = set()
        for key, _ in node.value:
            text = str(key.value)
            if text in seen and text != "<<":
                raise yaml.MarkedYAMLError(
                    problem=f"the key {text!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(text)
        return super().construct_mapping(node, deep)


_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason})") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _line_of(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f":{mark.line + 1}" if mark else ""


def _problem(error: yaml.MarkedYAMLError) -> str:
    return error.problem or error.context or "it cannot be parsed"


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
