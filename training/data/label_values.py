"""Single values of labels, in every spelling that is seen in real files."""

import math
from typing import Any

_OVERSHOOT = 0.01  # boxes that reach a little over the edge are clipped
_LOOKS_LIKE_PIXELS = 1.5
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False, "null": False}


def class_name(value: Any, *, place: str) -> str:
    """Read the name of a class; numbers are names too: 3 and "3" are one class.

    `place` is "label" or "label[0].label", for the error. Raises ValueError for anything else.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"{place} must be a name or a number, got {value!r}")


def ratio(value: Any, *, place: str) -> float:
    """Read a coordinate as a ratio 0…1 of the image's size; up to 1 % outside is clipped.

    Raises ValueError for what is no number, or lies outside.
    """
    number = _number(value)
    if number is None:
        raise ValueError(f"{place} must be a number, got {value!r}")
    if number > _LOOKS_LIKE_PIXELS:
        raise ValueError(
            f"{place} must be a ratio 0…1 of the image's size, got {value!r}, which looks like "
            "pixels: divide x by the image's width and y by its height"
        )
    if not -_OVERSHOOT <= number <= 1 + _OVERSHOOT:
        raise ValueError(f"{place} must be a ratio 0…1 of the image's size, got {value!r}")
    return min(max(number, 0.0), 1.0)


def flag(value: Any, *, place: str) -> bool:
    """Read true, 1, 1.0, "true", "True" and "1" as yes, their opposites and null as no.

    Raises ValueError for anything else.
    """
    text = "" if value is None else str(value).strip().lower().removesuffix(".0")
    if text not in _FLAGS:
        raise ValueError(f"{place} must be true or false, got {value!r}")
    return _FLAGS[text]


def _number(value: Any) -> float | None:
    """A finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
