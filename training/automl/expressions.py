"""Expressions of a search space, `{type: uniform, min_value: 0.1, max_value: 1}`, to objects."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from inference.names import unknown_name
from training.automl.distributions import (
    Choice,
    Distribution,
    Exponential,
    Normal,
    Quantized,
    Randint,
    Uniform,
)
from training.job_values import canonical


def parse_value(value: Any) -> Distribution:
    """Read an expression, or a plain value as the only choice.

    Raises ValueError that names the key and what is allowed.
    """
    if isinstance(value, Mapping):
        return _expression(value)
    if isinstance(value, list):
        raise ValueError(f"several values need {{type: choice, values: {value}}}")
    return Choice((value,))


def _expression(given: Mapping[str, Any]) -> Distribution:
    if "type" not in given:
        raise ValueError(f"an expression needs a type (allowed: {', '.join(sorted(_TYPES))})")
    kind = canonical("type", str(given["type"]), _TYPES)
    names, build = _TYPES[kind]
    for name in given:
        if name not in ("type", *names):
            raise ValueError(unknown_name(f"key of {kind}", name, names))
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"{kind} needs {' and '.join(missing)}")
    return build({name: given[name] for name in names})


def _choice(given: Mapping[str, Any]) -> Choice:
    values = given["values"]
    if not isinstance(values, list) or not values:
        raise ValueError(f"values must be a list with at least one value, got {values!r}")
    for value in values:
        if isinstance(value, list | Mapping):
            raise ValueError(f"values must be plain values, got {value!r}")
    return Choice(tuple(values))


def _randint(given: Mapping[str, Any]) -> Randint:
    upper = _number(given, "upper")
    if upper < 1 or upper != int(upper):
        raise ValueError(f"upper must be a whole number of at least 1, got {given['upper']!r}")
    return Randint(int(upper))


def _uniform(given: Mapping[str, Any]) -> Uniform:
    low, high = _number(given, "min_value"), _number(given, "max_value")
    if low > high:
        raise ValueError(f"min_value must be at most max_value, got {low:g} and {high:g}")
    return Uniform(low, high)


def _loguniform(given: Mapping[str, Any]) -> Exponential:
    bounds = _uniform(given)
    if bounds.max_value > _LARGEST_EXPONENT:
        raise ValueError(
            f"max_value of a loguniform is an exponent, at most {_LARGEST_EXPONENT}, "
            f"got {bounds.max_value:g}"
        )
    return Exponential(bounds)


def _normal(given: Mapping[str, Any]) -> Normal:
    sigma = _number(given, "sigma")
    if sigma <= 0:
        raise ValueError(f"sigma must be greater than 0, got {sigma:g}")
    return Normal(_number(given, "mu"), sigma)


def _lognormal(given: Mapping[str, Any]) -> Exponential:
    exponent = _normal(given)
    if exponent.mu + 8 * exponent.sigma > _LARGEST_EXPONENT:
        raise ValueError(
            f"mu and sigma of a lognormal are those of the exponent, which must stay below "
            f"{_LARGEST_EXPONENT}, got mu {exponent.mu:g} and sigma {exponent.sigma:g}"
        )
    return Exponential(exponent)


def _quantized(build: Callable[[Mapping[str, Any]], Any]) -> Callable[..., Quantized]:
    def built(given: Mapping[str, Any]) -> Quantized:
        q = _number(given, "q")
        if q <= 0:
            raise ValueError(f"q must be greater than 0, got {q:g}")
        return Quantized(build(given), q)

    return built


def _number(given: Mapping[str, Any], name: str) -> float:
    value = given[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return number


_LARGEST_EXPONENT = 700  # exp of more is infinite
_BOUNDS, _MOMENTS = ("min_value", "max_value"), ("mu", "sigma")
_TYPES: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Distribution]]] = {
    "choice": (("values",), _choice),
    "randint": (("upper",), _randint),
    "uniform": (_BOUNDS, _uniform),
    "loguniform": (_BOUNDS, _loguniform),
    "normal": (_MOMENTS, _normal),
    "lognormal": (_MOMENTS, _lognormal),
    "quniform": ((*_BOUNDS, "q"), _quantized(_uniform)),
    "qloguniform": ((*_BOUNDS, "q"), _quantized(_loguniform)),
    "qnormal": ((*_MOMENTS, "q"), _quantized(_normal)),
    "qlognormal": ((*_MOMENTS, "q"), _quantized(_lognormal)),
}
