"""Detectors of every kind that are small enough for tests, and ODAM computed naively."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

from inference.families import FAMILIES, DetectorFamily, detector_named
from tests.inference.families.detectors import canvases, settle_batch_norm
from tests.inference.families.transformers_networks import (
    NAMES,
    QUERY_NAMES,
    noise,
    settled,
    side_of,
    tiny,
)

FAMILY_NAMES = (
    "yolov5", "fasterrcnn_resnet18_fpn", "maskrcnn_resnet18_fpn", "retinanet_resnet50_fpn",
    *NAMES, *QUERY_NAMES, "mask2former",
)  # fmt: skip
_YOLO_STAGES = ("backbone.4", "backbone.6", "backbone.8")


def tiny_detector(name: str) -> tuple[DetectorFamily, Any, Tensor]:
    """A family, a network of it in evaluation mode, and a canvas."""
    family = detector_named(name)
    if name in NAMES:
        return family, settled(name).requires_grad_(False), noise(1)
    if name in (*QUERY_NAMES, "mask2former"):
        side = side_of(name)
        canvas = noise(1, height=side, width=side)
        return family, tiny(name).eval().requires_grad_(False), canvas
    torch.manual_seed(0)
    options = {"model_size": "nano"} if name == "yolov5" else {}
    network = family.build(num_classes=3, options=options, pretrained=False)
    if "rcnn" in name:  # a thousand proposals through heads of the usual width cost seconds
        network.roi_heads.box_head = TwoMLPHead(256 * 7 * 7, 32)
        network.roi_heads.box_predictor = FastRCNNPredictor(32, 4)
    if name != "yolov5":
        settle_batch_norm(network, canvases(2, 64, 128))
    return family, network.eval().requires_grad_(False), canvases(1, 64, 128)


def some_candidates(scores: Tensor, count: int = 4) -> tuple[Tensor, Tensor]:
    """Rows and labels of candidates all over the ranks."""
    rows = torch.linspace(0, len(scores) - 1, count).long()
    return rows, torch.arange(count) % scores.shape[1]


def naive_odam(
    family: DetectorFamily, network: Any, canvas: Tensor, rows: Tensor, label_ids: Tensor
) -> list[list[Tensor]]:
    """ReLU(Σ ∂score/∂A ∘ A) of every map A, one detection after the other, all heads at work."""
    with graph_from_maps(family.name, network) as maps, torch.enable_grad():
        outputs = network(canvas)
        candidates = family.decode(outputs if isinstance(outputs, tuple) else (outputs,))
    products = []
    for row, label_id in zip(rows, label_ids, strict=True):
        score = candidates.scores[row, label_id]
        slopes = torch.autograd.grad(score, maps, retain_graph=True, materialize_grads=True)
        pairs = zip(slopes, maps, strict=True)
        products.append([(s * a.detach()).sum(dim=1)[0].clamp(min=0) for s, a in pairs])
    return products


@contextmanager
def graph_from_maps(name: str, network: Any) -> Iterator[list[Tensor]]:
    """Within it, the network's graph begins at the maps that explanations are made from."""
    maps: list[Tensor] = []

    def leaf(map_: Tensor) -> Tensor:
        maps.append(map_.detach().requires_grad_())
        return maps[-1]

    def of_encoder(_: Any, __: Any, output: Any) -> Any:
        output.last_hidden_state = [leaf(map_) for map_ in output.last_hidden_state]
        return output

    def of_cells(_: Any, __: Any, output: Any) -> Any:
        """Cells (1, n, C) of square maps, each of half the side of the one before."""
        cells, side, parts = output.last_hidden_state, 2, []
        while cells.shape[1] > 0:
            part, cells = cells[:, -side * side :], cells[:, : -side * side]
            parts.append((part, side))
            side *= 2
        found = [leaf(part.transpose(1, 2).unflatten(2, (s, s))) for part, s in reversed(parts)]
        output.last_hidden_state = torch.cat([map_.flatten(2) for map_ in found], 2).mT
        return output

    def of_pixels(_: Any, __: Any, output: Any) -> Any:
        output.decoder_hidden_states = [leaf(map_) for map_ in output.decoder_hidden_states]
        output.decoder_last_hidden_state = leaf(output.decoder_last_hidden_state)
        return output

    def of_pyramid(_: Any, __: Any, output: dict[str, Tensor]) -> dict[str, Tensor]:
        return type(output)((key, leaf(map_)) for key, map_ in output.items())

    def of_stage(_: Any, __: Any, output: Tensor) -> Tensor:
        return leaf(output)

    hooks: dict[str, Callable[..., Any]] = {"backbone": of_pyramid}
    if name == "yolov5":
        hooks = dict.fromkeys(_YOLO_STAGES, of_stage)
    elif name in NAMES:
        hooks = {"detector.model.encoder": of_encoder}
    elif name in QUERY_NAMES:
        hooks = {"detector.model.encoder": of_cells}
    elif name == "mask2former":
        hooks = {"detector.model.pixel_level_module": of_pixels}
    handles = [
        network.get_submodule(path).register_forward_hook(hook) for path, hook in hooks.items()
    ]
    yield maps
    for handle in handles:
        handle.remove()


def kinds_of_families() -> set[str]:
    """One name per kind of detector in the registry."""
    names = (name for name, family in FAMILIES.items() if isinstance(family, DetectorFamily))
    return {name.split("_resnet")[0] for name in names}
