"""Which explanation methods a classifier does not have; told without loading its network."""

from collections.abc import Mapping
from typing import get_args

from inference.model_folder import ModelFacts
from inference.schema import Algorithm

_NO_MAP = "this network has no layer whose output is a map of the image"
_NO_RULE = "this network has activations that guided backpropagation has no rule for"


def unavailable_methods(facts: ModelFacts) -> dict[str, str]:
    """Return why, by method, as a sentence that also says what there is instead.

    Families of the registry have them all; networks of a library say so in their options.
    """
    without_map = facts.options.get("cam", ...) is None
    without_rule = facts.options.get("guided_rule") is False
    reasons: Mapping[Algorithm, str | None] = {
        "gradcam": _NO_MAP if without_map else None,
        "guided_backprop": _NO_RULE if without_rule else None,
        "guided_gradcam": _NO_MAP if without_map else _NO_RULE if without_rule else None,
    }
    allowed = ", ".join(name for name in get_args(Algorithm) if reasons.get(name) is None)
    return {
        name: f"xai_algorithm {name!r} is not available: {reason} (allowed: {allowed})"
        for name, reason in reasons.items()
        if reason is not None
    }
