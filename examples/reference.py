"""docs/reference.md, written from the code: `python -m examples.reference`.

Types, ranges and defaults are those of the pydantic models that check them, so the page cannot say
anything else than the program does; tests/docs/test_reference.py compares.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from inference.families import FAMILIES, DetectorFamily
from inference.names import JOB_TO_SETTINGS_NAME
from inference.schema import XaiParameters
from inference.settings import (
    ClassificationSettings,
    DetectionSettings,
    LetterboxSettings,
    SegmentationSettings,
    Settings,
    ShortSideSettings,
)
from inference.types import Task
from serving.arguments import Arguments
from training.hyperparameter_schema import (
    ClassificationHyperparameters,
    DetectionHyperparameters,
    Hyperparameters,
    LetterboxHyperparameters,
    SegmentationHyperparameters,
    ShortSideHyperparameters,
)
from training.hyperparameters import DEFAULT_MODELS, resolve
from training.job_schema import Limits

PAGE = Path(__file__).parents[1] / "docs/reference.md"
_INTRODUCTION = """# Reference
Every name that a user may set, with its type, range and default. Written from the code that checks
them by `python -m examples.reference`; a test keeps both equal. An unknown name and a value out of
range are errors that name the key.
"""
_SETTINGS: Mapping[str, type[Settings]] = {
    "Classification": ClassificationSettings,
    "Detection and segmentation": DetectionSettings,
    "Faster R-CNN, RetinaNet and Mask R-CNN": ShortSideSettings,
    "yolov5, RT-DETRv2 and D-FINE": LetterboxSettings,
    "Segmentation": SegmentationSettings,
}
_HYPERPARAMETERS: Mapping[str, type[Hyperparameters]] = {
    "All tasks": Hyperparameters,
    "Classification": ClassificationHyperparameters,
    "Detection and segmentation": DetectionHyperparameters,
    "Faster R-CNN, RetinaNet and Mask R-CNN": ShortSideHyperparameters,
    "yolov5, RT-DETRv2 and D-FINE": LetterboxHyperparameters,
    "Segmentation": SegmentationHyperparameters,
}
_TO_JOB_NAME = {settings: job for job, settings in JOB_TO_SETTINGS_NAME.items()}
_BY_MODEL, _REQUIRED = "[by model](#defaults-of-the-models)", "required"


def page() -> str:
    """Return docs/reference.md."""
    return "\n".join([_INTRODUCTION, *_settings(), *_hyperparameters(), *_models(), *_rest()])


def _settings() -> Iterator[str]:
    yield (
        "## settings.json\nIn the model folder; change it before registering. What is marked may "
        "also be given per request, under `settings`.\n"
    )
    for title, kind in _SETTINGS.items():
        rows = [_setting(kind, name, schema) for name, schema in _own(kind)]
        yield _titled(title, kind, rows)


def _setting(kind: type[Settings], name: str, schema: Mapping[str, Any]) -> dict[str, str]:
    return {
        **_described(name, schema, missing=_REQUIRED),
        "per request": "yes" if name in kind.overridable() else "",
        "in job files": _code(_TO_JOB_NAME.get(name, name)),
    }


def _hyperparameters() -> Iterator[str]:
    yield (
        "## Hyperparameters\n`training_parameters` and `search_space` of a job file: "
        "[jobs.md](jobs.md).\n"
    )
    for title, kind in _HYPERPARAMETERS.items():
        yield _titled(title, kind, _rows(kind, missing=_BY_MODEL))


def _models() -> Iterator[str]:
    """Say which models there are, and what their own defaults are; those alike share a row."""
    yield "### Defaults of the models\nThey go before those above. **Bold**: the task's default.\n"
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for task in Task:
        for name, family in FAMILIES.items():
            if task in family.tasks:
                text = f"**{_code(name)}**" if name == DEFAULT_MODELS[task] else _code(name)
                alike[task.value, _own_defaults(name, task)].append(text)
    yield _table(
        [
            {"task": task, "models": ", ".join(sorted(names)), "defaults": defaults}
            for (task, defaults), names in alike.items()
        ]
    )


def _own_defaults(model: str, task: Task) -> str:
    family, values = FAMILIES[model], resolve({"model_name": model}, task=task)
    own = family.defaults if isinstance(family, DetectorFamily) else family.defaults.get(task, {})
    names = dict.fromkeys(["learning_rate", *own])
    return ", ".join(f"{_code(name)} {_value(getattr(values, name))}" for name in names)


def _rest() -> Iterator[str]:
    yield "## Limits of a job\n`limits` of a job file: [automl.md](automl.md).\n"
    yield _table(_rows(Limits, missing=_REQUIRED))
    yield (
        "## Arguments of the server\n`bentoml serve service:Scorer --arg name=value`: "
        "[operations.md](operations.md).\n"
    )
    yield _table(_rows(Arguments, missing=_REQUIRED))
    yield (
        "## xai_parameters\nOf a request that wants an explanation: "
        "[explanations.md](explanations.md).\n"
    )
    yield _table(_rows(XaiParameters, missing=_REQUIRED))


def _rows(kind: type[BaseModel], *, missing: str) -> list[dict[str, str]]:
    return [_described(name, schema, missing=missing) for name, schema in _own(kind)]


def _own(kind: type[BaseModel]) -> list[tuple[str, Mapping[str, Any]]]:
    """The fields that a class itself declares, with their JSON schemas."""
    schemas = kind.model_json_schema()["properties"]
    return [(name, schemas[name]) for name in kind.__annotations__ if name in schemas]


def _described(name: str, schema: Mapping[str, Any], *, missing: str) -> dict[str, str]:
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return {
        "name": _code(name),
        "type": " or ".join(_type(one) for one in options),
        "range": "; ".join(filter(None, (_range(one) for one in options))),
        "default": _value(schema["default"]) if "default" in schema else missing,
        "meaning": schema.get("description", "").replace("|", "\\|"),
    }


def _type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    return {"boolean": "true or false", "string": "text"}.get(schema["type"], schema["type"])


def _range(schema: Mapping[str, Any]) -> str:
    """ "1…1000"; a bound of a validated type stands under pydantic's name, not under JSON's."""

    def bound(*names: str) -> str:
        return next((f"{schema[name]:g}" for name in names if name in schema), "")

    low, high = bound("minimum", "ge"), bound("maximum", "le")
    over, under = bound("exclusiveMinimum", "gt"), bound("exclusiveMaximum", "lt")
    step = bound("multipleOf", "multiple_of")
    parts = [
        f"{low}…{high}" if low and high else f"≥ {low}" if low else f"≤ {high}" if high else "",
        f"> {over}" if over else "",
        f"< {under}" if under else "",
        f"a multiple of {step}" if step else "",
    ]
    return ", ".join(filter(None, parts))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, "") else str(value)


def _code(name: str) -> str:
    return f"`{name}`"


def _titled(title: str, kind: type[BaseModel], rows: Sequence[Mapping[str, str]]) -> str:
    """A table under the words of its class."""
    return f"### {title}\n{' '.join((kind.__doc__ or '').split())}\n\n{_table(rows)}"


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    lines = [columns, ["---"] * len(columns), *([row[name] for name in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
