"""Gradients integrated from several baselines, to a number of nodes or until they converge."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xai.gradients import Network
from xai.paths import Checkpoint, Path, integrate, no_checkpoint
from xai.quadrature import Quadrature, Rule, nested_midpoints

_NO_CHANGE = 1e-6  # of an output: what float32 leaves of a difference of logits


@dataclass(frozen=True, slots=True)
class Convergence:
    """How well an integral was computed.

    completeness_delta: Σ attributions - (f(image) - f(baseline)), the mean over the baselines; 0
    would be exact. n_steps: nodes per path.
    """

    completeness_delta: float
    n_steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Integral:
    """The mean over the baselines: attributions (targets, C, H, W).

    convergence: one per target, or empty if it was not asked for.
    """

    attributions: Tensor
    convergence: tuple[Convergence, ...] = ()


def integral(
    network: Network,
    image: Tensor,
    baselines: Sequence[Tensor],
    targets: tuple[int, ...],
    *,
    rule: Rule,
    with_convergence: bool = False,
    checkpoint: Checkpoint = no_checkpoint,
) -> Integral:
    """Integrate the targets' gradients from every baseline to an image (C, H, W).

    With a rule that ends when it has converged, `convergence` is always told.
    """
    paths = [Path(image, baseline, targets) for baseline in baselines]
    if not isinstance(rule, Quadrature):
        return _converged(network, paths, rule.tolerance, checkpoint)
    mean = _mean_over_paths(network, paths, rule, checkpoint)
    if not with_convergence:
        return Integral(mean)
    deltas = _deltas(mean, _changes(network, paths, checkpoint))
    return Integral(mean, _convergence(deltas, len(rule.nodes)))


def _converged(
    network: Network, paths: Sequence[Path], tolerance: float, checkpoint: Checkpoint
) -> Integral:
    """Triple the nodes until every target's result is steady and adds up, or the cap is reached.

    Steady: successive results differ by at most `tolerance` of the later one, in the sum of the
    absolute values. Adds up: |delta| is at most `tolerance` of the output's change.
    """
    changes = _changes(network, paths, checkpoint)
    scale = changes.abs().mean(dim=0).clamp(min=_NO_CHANGE)
    mean = paths[0].image.new_zeros(len(paths[0].targets), *paths[0].image.shape)
    convergence: tuple[Convergence, ...] = ()
    for n_steps, new_nodes in nested_midpoints():
        before = mean
        mean = before / 3 + _mean_over_paths(network, paths, new_nodes, checkpoint)
        deltas = _deltas(mean, changes)
        convergence = _convergence(deltas, n_steps)
        size = mean.abs().flatten(1).sum(dim=1)
        difference = (mean - before).abs().flatten(1).sum(dim=1)
        steady = difference <= tolerance * size
        if bool((steady & (deltas.abs() <= tolerance * scale)).all()):
            break
    return Integral(mean, convergence)


def _convergence(deltas: Tensor, n_steps: int) -> tuple[Convergence, ...]:
    return tuple(Convergence(delta, n_steps) for delta in deltas.tolist())


def _mean_over_paths(
    network: Network, paths: Sequence[Path], rule: Quadrature, checkpoint: Checkpoint
) -> Tensor:
    results = [integrate(network, path, rule, checkpoint=checkpoint) for path in paths]
    return torch.stack(results).mean(dim=0)


def _deltas(mean: Tensor, changes: Tensor) -> Tensor:
    return mean.flatten(1).sum(dim=1) - changes.mean(dim=0)


@torch.no_grad()
def _changes(network: Network, paths: Sequence[Path], checkpoint: Checkpoint) -> Tensor:
    """f(image) - f(baseline) for every path and target: (paths, targets)."""
    checkpoint()
    targets = list(paths[0].targets)
    # one at a time: as many images as a request has baselines would not fit beside a chunk
    image, *baselines = (
        network(point[None])[0, targets]
        for point in (paths[0].image, *(path.baseline for path in paths))
    )
    return image - torch.stack(baselines)
