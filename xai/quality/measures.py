"""The measures by name, and what is measured of one image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number that explanations are judged by; `better` says which way. title: in tables."""

    name: str
    title: str
    better: Literal["higher", "lower"]
    about: str


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Numbers and curves of one method and one image; what does not apply is left out."""

    values: Mapping[str, float]
    curves: Mapping[str, Curve] = field(default_factory=dict)


MEASURES = (
    Measure(
        "insertion",
        "insertion",
        "higher",
        "mean probability, of objects overlap times score, while the image appears in a blurred "
        "one, most important pixels first",
    ),
    Measure(
        "deletion",
        "deletion",
        "lower",
        "the same while the most important pixels turn to the mean colour",
    ),
    Measure(
        "road",
        "ROAD",
        "higher",
        "probability without the least less that without the most important",
    ),
    Measure(
        "infidelity",
        "infidelity",
        "lower",
        "share of what squares cost the logit that the map's sums under them do not explain",
    ),
    Measure(
        "randomisation",
        "unlearned",
        "lower",
        "likeness to the map of a network that has learned nothing",
    ),
    Measure("completeness", "delta", "lower", "logits by which the attributions do not add up"),
    Measure("pointing_game", "pointing", "higher", "objects on which the map's highest place lies"),
    Measure("relevance_mass", "mass", "higher", "share of the map that lies on the object"),
)
