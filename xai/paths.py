"""The path engine: gradients along straight lines, for integrated gradients and XRAI.

Sundararajan et al., 2017, "Axiomatic Attribution for Deep Networks" (arXiv 1703.01365), eq. 1:
attribution_i = (x_i - b_i) · ∫ ∂f/∂x_i (b + α (x - b)) dα, with α from 0 to 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from xai.gradients import Network, target_gradients

Checkpoint = Callable[[], None]
ApproximationMethod = Literal["riemann_middle", "gausslegendre"]


@dataclass(frozen=True, slots=True)
class Quadrature:
    """Nodes in (0, 1) and weights that sum to 1: the integral is Σ weight · f(node)."""

    nodes: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A straight line from `baseline` to `image`, both (C, H, W), followed for `targets`.

    targets are indices of the network's outputs; they share the forward pass.
    """

    image: Tensor
    baseline: Tensor
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One point of one path; `path` is an index into the list of paths."""

    path: int
    node: float
    weight: float


def quadrature(n_steps: int, method: ApproximationMethod) -> Quadrature:
    """Return the midpoint rule or Gauss-Legendre's, with `n_steps` nodes on (0, 1)."""
    if method == "riemann_middle":
        nodes = (np.arange(n_steps) + 0.5) / n_steps
        weights = np.full(n_steps, 1.0 / n_steps)
    else:
        roots, doubled = np.polynomial.legendre.leggauss(n_steps)  # on (-1, 1), a length of 2
        nodes, weights = 0.5 * (roots + 1.0), 0.5 * doubled
    return Quadrature(tuple(nodes.tolist()), tuple(weights.tolist()))


def default_chunk_size(device: torch.device) -> int:
    """How many points to evaluate at once: on CPUs more than 5 is slower, GPUs want to be full."""
    return 5 if device.type == "cpu" else 25


def no_checkpoint() -> None:
    """Never interrupt."""


def integrate(
    network: Network,
    paths: Sequence[Path],
    rule: Quadrature,
    *,
    chunk_size: int | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> list[Tensor]:
    """Integrate the gradients of the targets along every path: one (targets, C, H, W) per path.

    All points of all paths form one list that is worked off in chunks: the memory of the passes
    depends on `chunk_size` alone. `checkpoint` is called before each chunk and may raise.
    """
    if not paths:
        return []
    size = chunk_size or default_chunk_size(paths[0].image.device)
    totals = [path.image.new_zeros(len(path.targets), *path.image.shape) for path in paths]
    steps = _steps(len(paths), rule)
    for start in range(0, len(steps), size):
        checkpoint()
        _add_chunk(totals, network, paths, steps[start : start + size])
    return [total * (path.image - path.baseline) for total, path in zip(totals, paths, strict=True)]


def _steps(n_paths: int, rule: Quadrature) -> list[_Step]:
    nodes = list(zip(rule.nodes, rule.weights, strict=True))
    return [_Step(path, node, weight) for path in range(n_paths) for node, weight in nodes]


def _add_chunk(
    totals: list[Tensor], network: Network, paths: Sequence[Path], chunk: Sequence[_Step]
) -> None:
    inputs = torch.stack([_point(paths[step.path], step.node) for step in chunk])
    targets = [paths[step.path].targets for step in chunk]
    for turn, gradients in enumerate(target_gradients(network, inputs, targets)):
        for step, gradient in zip(chunk, gradients, strict=True):
            if turn < len(totals[step.path]):
                totals[step.path][turn].add_(gradient, alpha=step.weight)


def _point(path: Path, node: float) -> Tensor:
    return path.baseline + node * (path.image - path.baseline)
