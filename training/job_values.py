"""Values as job files write them: enums in any case, flags and numbers of several spellings."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator

from inference.names import unknown_name


def canonical(kind: str, value: str, allowed: Iterable[str]) -> str:
    """Spell an enum value as we do: `MeanAveragePrecision` and `MEAN_AVERAGE_PRECISION` are one.

    `kind` names the thing in the error. Raises ValueError that lists what is allowed.
    """
    allowed = list(allowed)
    found = _same_shape(value, allowed)
    if found is None:
        raise ValueError(unknown_name(kind, value, allowed))
    return found


def spelled_as(*allowed: str) -> Callable[[Any], Any]:
    """Return a validator that spells a known enum value as we do and lets anything else pass."""
    return lambda value: _same_shape(value, allowed) or value if isinstance(value, str) else value


def _same_shape(value: str, allowed: Iterable[str]) -> str | None:
    return next((name for name in allowed if _shape(name) == _shape(value)), None)


def _shape(value: str) -> str:
    """What stays the same in every spelling of an enum value."""
    return value.lower().replace("_", "").replace("-", "").replace(" ", "")


_FLAG_WORDS = {"enable": True, "enabled": True, "disable": False, "disabled": False}


def _flag(value: Any) -> Any:
    return _FLAG_WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # pydantic would read true as 1
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]  # true/false, 0/1, "True", "yes", "Enable", …
Integer = Annotated[int, BeforeValidator(_no_flag)]  # 15, "15", 15.0
Number = Annotated[float, BeforeValidator(_no_flag)]  # 0.01, "1e-2" (a string in YAML 1.1)
