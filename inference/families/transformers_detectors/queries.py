"""Detectors in DETR's way (arXiv 2005.12872): an encoder's cells, a decoder's queries, one head.

Conventions differ in the scores: DETR's own head knows a class "no object" and takes a softmax; its
successors, which learn with the focal loss, have none and take a sigmoid per class.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inference.candidates import BoxTargets, Candidates
from inference.evidence import Evidence, Traced, whole_map
from inference.families.transformers_detectors.network import decode, labels_of, on_canvas

_FINEST_STRIDE = 8  # of detectors that look at several maps


class QueryDetector(nn.Module):
    """A detector of the library, under the name `detector`."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector: Any = detector
        _keep_one_name_per_tensor(self)

    def forward(self, canvases: Tensor) -> tuple[Tensor, Tensor]:
        """Canvases (N, 3, H, W) to logits (N, Q, C or C + 1) and boxes (N, Q, 4) in pixels."""
        found = self.detector(pixel_values=canvases)
        return found.logits, on_canvas(found.pred_boxes, canvases)


def decode_softmax(outputs: Sequence[Tensor]) -> Candidates:
    """Every query is a candidate; the last column of the logits is "no object"."""
    logits, boxes_xyxy = outputs
    images, queries = logits.shape[:2]
    image_ids = torch.arange(images, device=logits.device).repeat_interleave(queries)
    scores = logits.float().softmax(dim=-1)[..., :-1].flatten(0, 1)
    return Candidates(image_ids, boxes_xyxy.flatten(0, 1)[:, None], scores)


def losses(network: Any, canvases: Tensor, targets: Sequence[BoxTargets]) -> dict[str, Tensor]:
    """Return the library's sum of its weighted losses."""
    labels = [labels_of(target, canvases) for target in targets]
    return {"loss_detection": network.detector(pixel_values=canvases, labels=labels).loss}


def read_evidence_sigmoid(network: Any, canvases: Tensor) -> Evidence:
    """Read the encoder's maps: every query looks at all of them."""
    logits, boxes, patches = _from_encoder(network.detector, canvases)

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        return Traced(logits[0, rows, label_ids].float(), [patches] * len(rows), False)

    return Evidence(decode((logits.detach(), boxes)), trace)


def read_evidence_softmax(network: Any, canvases: Tensor) -> Evidence:
    """The same; the odds are those against all other classes and "no object" together."""
    logits, boxes, patches = _from_encoder(network.detector, canvases)

    @torch.enable_grad()
    def trace(rows: Tensor, label_ids: Tensor) -> Traced:
        chosen, own = logits[0, rows].float(), label_ids[:, None]
        others = chosen.scatter(1, own, -torch.inf).logsumexp(dim=1)
        return Traced(chosen.gather(1, own)[:, 0] - others, [patches] * len(rows), False)

    return Evidence(decode_softmax((logits.detach(), boxes)), trace)


def _from_encoder(detector: Any, canvases: Tensor) -> tuple[Tensor, Tensor, list[Any]]:
    """Logits with their graph, boxes, and the leaves: one patch per map of the encoder."""
    from transformers.modeling_outputs import BaseModelOutput  # seconds; but it is loaded by now

    with torch.no_grad():
        cells = detector(pixel_values=canvases).encoder_last_hidden_state  # (1, cells, C)
    sizes_hw, strides = _maps_of(detector.config, canvases, cells.shape[1])
    maps = cells.split([height * width for height, width in sizes_hw], dim=1)
    patches = [
        whole_map(flat.transpose(1, 2).unflatten(2, size_hw), stride=stride, center=0.5)
        for flat, size_hw, stride in zip(maps, sizes_hw, strides, strict=True)
    ]
    with torch.enable_grad():
        leaves = torch.cat([patch.values.flatten(2) for patch in patches], dim=2).transpose(1, 2)
        encoded = BaseModelOutput(last_hidden_state=leaves)
        found = detector(pixel_values=canvases, encoder_outputs=encoded)
    return found.logits, on_canvas(found.pred_boxes.detach(), canvases), patches


def _maps_of(config: Any, canvases: Tensor, cells: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Sizes in cells and strides in pixels of the maps that an encoder joins."""
    height, width = canvases.shape[-2:]
    levels = getattr(config, "num_feature_levels", 1)
    if levels == 1:
        strides = [round(math.sqrt(height * width / cells))]
    else:
        strides = [_FINEST_STRIDE * 2**level for level in range(levels)]
    return [(-(-height // s), -(-width // s)) for s in strides], strides


def _keep_one_name_per_tensor(network: nn.Module) -> None:
    """Let a state dict name tensors once that the library uses under several names."""
    first: dict[int, str] = {}
    aliases: dict[str, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if id(parameter) in first:
            aliases[name] = first[id(parameter)]
        first.setdefault(id(parameter), name)
    if aliases:
        network.register_state_dict_post_hook(_Forgetting(aliases))
        network.register_load_state_dict_pre_hook(_Remembering(aliases))


class _Forgetting:
    """Takes second names out of a state dict."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self._aliases = aliases

    def __call__(self, _: nn.Module, state: dict[str, Any], prefix: str, __: Any) -> None:
        """Change `state` in place, as torch wants it."""
        for name in self._aliases:
            state.pop(prefix + name, None)


class _Remembering:
    """Puts second names back before a state dict is loaded."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self._aliases = aliases

    def __call__(self, _: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
        """Change `state`, which torch copied for this, in place."""
        for name, first in self._aliases.items():
            if prefix + first in state:
                state[prefix + name] = state[prefix + first]
