"""How requests are split between models: A=90 B=10."""

import re
from collections.abc import Iterable, Mapping

from deploy.errors import UsageError

# What Kubernetes and Compose both take for a name, short enough for the suffixes that they add.
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")


def read_weights(words: Iterable[str]) -> dict[str, int]:
    """Read NAME=WEIGHT pairs in their order; names become lower case.

    Raises UsageError for a pair that is none, a name twice, a weight that is no whole number in
    0…100, and weights that do not sum to 100.
    """
    weights = {name: _weight(name, text) for name, text in pairs(words).items()}
    if not weights:
        raise UsageError("no model is named; say for example --model a=100")
    if (total := sum(weights.values())) != 100:
        said = " + ".join(f"{name}={weight}" for name, weight in weights.items())
        raise UsageError(f"weights must sum to 100, but {said} is {total}")
    return weights


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Read NAME=VALUE pairs. Raises UsageError for what is none, a bad name and a name twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.lower()
        if not equals or not value:
            raise UsageError(f"expected NAME=VALUE, got {word!r}")
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"the name {name!r} must be at most 40 letters, digits and hyphens, a letter first"
            )
        if name in found:
            raise UsageError(f"model {name!r} is named twice")
        found[name] = value
    return found


def known(given: Iterable[str], names: Iterable[str]) -> None:
    """Raise UsageError, with the names there are, for one that is not among `names`."""
    allowed = tuple(names)
    for name in given:
        if name not in allowed:
            raise UsageError(f"unknown model {name!r}; the models are {', '.join(allowed)}")


def as_words(weights: Mapping[str, int]) -> str:
    """Write weights as they are given in a command."""
    return " ".join(f"{name}={weight}" for name, weight in weights.items())


def _weight(name: str, text: str) -> int:
    try:
        weight = int(text)
    except ValueError:
        weight = -1
    if not 0 <= weight <= 100:
        raise UsageError(f"the weight of {name!r} must be a whole number in 0…100, got {text!r}")
    return weight
