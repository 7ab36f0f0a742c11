"""Where the nodes of a path lie and what each weighs."""

from dataclasses import dataclass

import numpy as np

from inference.schema import MAX_STEPS, ApproximationMethod

_FIRST_COUNT = 5


@dataclass(frozen=True, slots=True)
class Quadrature:
    """Nodes in [0, 1] and their weights: an integral over [0, 1] is Σ weight · f(node)."""

    nodes: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UntilConverged:
    """As many midpoints as make successive results differ by no more than `tolerance`."""

    tolerance: float


Rule = Quadrature | UntilConverged


def rule_of(n_steps: int | str, method: ApproximationMethod, *, tolerance: float) -> Rule:
    """Return the rule that a request asks for; `n_steps` may be "auto"."""
    if isinstance(n_steps, str):
        return UntilConverged(tolerance)
    return quadrature(n_steps, method)


def quadrature(n_steps: int, method: ApproximationMethod) -> Quadrature:
    """Return a rule with `n_steps` nodes.

    riemann_middle: the middles of equal steps. gausslegendre: Gauss-Legendre's. linspace: equally
    spaced from end to end, all of the same weight, as the package `saliency` integrates.
    """
    if method == "gausslegendre":
        roots, doubled = np.polynomial.legendre.leggauss(n_steps)  # on (-1, 1), a length of 2
        return _rule(0.5 * (roots + 1.0), 0.5 * doubled)
    if method == "linspace":
        return _rule(np.linspace(0.0, 1.0, n_steps), np.full(n_steps, 1.0 / n_steps))
    return _midpoints(np.arange(n_steps), n_steps)


def nested_midpoints() -> list[tuple[int, Quadrature]]:
    """Midpoint rules of 5, 15, 45, … nodes up to the cap, each with only its new nodes.

    The middle of a step stays the middle of the middle third: a third of a rule's result plus
    these new nodes' is the result of the next one.
    """
    rules = [(_FIRST_COUNT, _midpoints(np.arange(_FIRST_COUNT), _FIRST_COUNT))]
    while (count := rules[-1][0] * 3) <= MAX_STEPS:
        places = np.arange(count)
        rules.append((count, _midpoints(places[places % 3 != 1], count)))
    return rules


def _midpoints(places: np.ndarray, count: int) -> Quadrature:
    return _rule((places + 0.5) / count, np.full(len(places), 1.0 / count))


def _rule(nodes: np.ndarray, weights: np.ndarray) -> Quadrature:
    return Quadrature(tuple(nodes.tolist()), tuple(weights.tolist()))
