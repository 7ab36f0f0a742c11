"""Pydantic's findings as one line that says where, what was got and what is allowed."""

from typing import Any

from pydantic import BaseModel, ValidationError

from inference.names import unknown_name


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Turn one finding of `error` into one line; `model` gives the names that are allowed.

    An unknown key goes first: it is often the misspelt name of the one that is missing.
    """
    findings = error.errors(include_url=False)
    finding = min(findings, key=lambda finding: finding["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        return _unknown_key(finding, model)
    if finding["type"] == "missing":
        return f"{place} is missing"
    message = finding["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{place}: {message}, got {_shorten(finding['input'])}" if place else message


def _unknown_key(finding: Any, model: type[BaseModel]) -> str:
    *parents, key = finding["loc"]
    for part in parents:
        annotation = model.model_fields[str(part)].annotation if isinstance(part, str) else None
        model = _nested_model(annotation) or model
    where = f" in {'.'.join(map(str, parents))}" if parents else ""
    return unknown_name(f"key{where}", str(key), model.model_fields)


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _shorten(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
