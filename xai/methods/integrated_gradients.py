"""Integrated gradients (Sundararajan et al., 2017, arXiv 1703.01365)."""

from inference.schema import XaiParameters
from xai.methods.base import (
    Attributions,
    Method,
    PathDefaults,
    Subject,
    path_integral,
    register,
)
from xai.paths import Checkpoint

_DEFAULTS = PathDefaults(n_steps=50, baselines=("mean_colour",))


def _run(subject: Subject, parameters: XaiParameters, checkpoint: Checkpoint) -> Attributions:
    """Per target, the attributions sum to f(image) - f(baseline), up to the quadrature."""
    found = path_integral(subject, parameters, _DEFAULTS, checkpoint)
    return Attributions(found.attributions, found.convergence)


register(Method("integrated_gradients", _run, path=_DEFAULTS))
