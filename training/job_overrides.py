"""`--set key=value`: changes to a job file's values from the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inference.errors import UsageError
from inference.names import job_name, unknown_name
from training.data.locations import is_path
from training.hyperparameter_names import ALL_NAMES
from training.job_schema import JobFile

_DATA_KEYS = ("training_data", "validation_data", "test_data")


def with_override(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a job file's `values` with one "key=value" applied, the value read as YAML.

    The key is a dotted path of the file, or a hyperparameter's name alone under either
    vocabulary. A path as value is relative to the working directory, as a shell completes it.
    Raises UsageError for a key that nobody knows and for text without "=".
    """
    steps, value = _parse(text)
    if steps[0] not in JobFile.model_fields:
        steps = ("training_parameters", *steps)
    if steps[0] == "training_parameters":
        return _with_parameter(values, steps[1:], value)
    return _with_value(values, _path_step(steps), _absolute(steps, value))


def _parse(text: str) -> tuple[tuple[str, ...], Any]:
    key, separator, value = text.partition("=")
    steps = tuple(step.strip() for step in key.split("."))
    if not separator or not all(steps):
        raise UsageError(f"--set takes key=value (limits.max_trials=1), got {text!r}")
    try:
        return steps, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {key}: {value!r} is not valid YAML; quote the value") from None


def _with_parameter(
    values: Mapping[str, Any], steps: tuple[str, ...], value: Any
) -> dict[str, Any]:
    """Set one hyperparameter, whichever of its names the file uses."""
    if not steps:
        return {**values, "training_parameters": value}
    name = job_name(steps[0])
    if name not in ALL_NAMES:
        known = {*ALL_NAMES, *JobFile.model_fields}
        raise UsageError("--set: " + unknown_name("key", ".".join(steps), known))
    old = values.get("training_parameters") or {}
    kept = {key: item for key, item in old.items() if job_name(key) != name}
    new = {**kept, name: _absolute((name,), value)}
    return {**values, "training_parameters": new}


def _with_value(container: Any, steps: tuple[str, ...], value: Any) -> Any:
    """Replace the value at a path of keys; mappings on the way are made, list steps are indices."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if container is None or isinstance(container, Mapping):
        old = dict(container or {})
        return {**old, step: _with_value(old.get(step), rest, value)}
    if isinstance(container, list) and step.isdigit() and int(step) < len(container):
        items = list(container)
        items[int(step)] = _with_value(items[int(step)], rest, value)
        return items
    raise UsageError(f"--set: {container!r} in the file has no key {step!r}")


def _path_step(steps: tuple[str, ...]) -> tuple[str, ...]:
    return (steps[0], "path") if steps in [(key,) for key in _DATA_KEYS] else steps


def _absolute(steps: tuple[str, ...], value: Any) -> Any:
    names_a_path = steps[0] in ("weights", "datastores") or steps[-1] in ("path", *_DATA_KEYS)
    if names_a_path and isinstance(value, str) and is_path(value):
        return str(Path.cwd() / value)
    return value
