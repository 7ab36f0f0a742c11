"""ODAM of single detections against a backward pass through all of a detector's heads."""

from collections import OrderedDict
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.models import random_detector
from benchmarks.timing import CONSOLE, interleaved, report
from xai.detection.odam import CellMap, odam

_SURE = 0.9  # nearer to 1, the gradient of a softmax is what rounding leaves of it


def compare_odam(name: str, *, side: int, detections: int, rounds: int) -> None:
    """Time maps of the `detections` best candidates of noise on a square canvas.

    Naive: the gradient of a candidate's score through the heads with all proposals or all anchors.
    Their forward pass is left out of its time, and in ours, which computes its own, it is not.
    """
    family, network = random_detector(name)
    network.eval().requires_grad_(False)
    canvas = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    scores, maps = _scores_of_maps(network, canvas)
    evidence = family.read_evidence(network, canvas)
    best, best_labels = evidence.candidates.scores.max(dim=1)
    rows = best.where(best < _SURE, 0.0).topk(detections).indices
    label_ids = best_labels[rows]
    many = f"ours, {detections} detections"
    seconds = interleaved(
        {
            "naive, 1 detection": lambda: _naive(scores[rows[0], label_ids[0]], maps),
            "ours, 1 detection": lambda: list(odam(evidence, rows[:1], label_ids[:1])),
            many: lambda: list(odam(evidence, rows, label_ids)),
        },
        rounds=rounds,
    )
    naive_s = seconds["naive, 1 detection"]
    report(f"{name}, {side}×{side}, {len(best)} candidates", seconds, baseline="naive, 1 detection")
    ratios = [one * detections / all_ for one, all_ in zip(naive_s, seconds[many], strict=True)]
    CONSOLE.print(f"per detection {median(ratios):.0f} times faster than naive")
    ours = odam(evidence, rows, label_ids)
    pairs = zip(scores[rows, label_ids], ours, strict=True)
    difference = max(_difference(_naive(score, maps), cell_maps) for score, cell_maps in pairs)
    CONSOLE.print(f"largest difference {difference:.0e} of a map's maximum")


def _scores_of_maps(network: nn.Module, canvas: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """The network's own forward pass, with a graph from the backbone's maps on."""
    maps: list[Tensor] = []

    def start_graph(_: nn.Module, __: Any, output: dict[str, Tensor]) -> dict[str, Tensor]:
        maps.extend(map_.detach().requires_grad_() for map_ in output.values())
        return OrderedDict(zip(output, maps, strict=True))

    backbone: Any = network.backbone
    hook = backbone.register_forward_hook(start_graph)
    _, scores, *_ = network(canvas)
    hook.remove()
    return scores, maps


def _naive(score: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
    """ReLU(Σ gradient ∘ map) of every map: (h, w) each."""
    slopes = torch.autograd.grad(score, maps, retain_graph=True, materialize_grads=True)
    pairs = zip(slopes, maps, strict=True)
    return [(slope * map_.detach()).sum(dim=1)[0].clamp(min=0) for slope, map_ in pairs]


def _difference(naive: Sequence[Tensor], ours: Sequence[CellMap]) -> float:
    """Between maps scaled to a maximum of 1: log-odds and score differ by a factor."""
    (mine,) = ours
    own = torch.from_numpy(mine.values)
    theirs = next(map_ for map_ in naive if map_.any() and map_.shape == own.shape)
    return float((theirs / theirs.max() - own / own.max()).abs().max())
