"""Scoring graphs as ONNX, under Azure's names of inputs and outputs.

The tracing exporter is used for every family because the default one fails on detectors.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from inference.families import DetectorFamily
from inference.families.base import MaskHead
from inference.model_folder import MASKS_FILE, ONNX_FILE

LOG = logging.getLogger(__name__)

OPSET = 17
_TOLERANCE = 1e-3  # of logits, relative; parity judges probabilities later
_NAMES = ("batch", "channels", "height", "width")


def export_classifier(
    network: nn.Module, folder: Path, *, image_size: int, fixed_size: bool
) -> None:
    """Write `input1` (N, 3, S, S) float32 → `output1` (N, C) logits; N is free.

    S is free as well unless `fixed_size`, so that valid_crop_size may change after the export.
    """
    spatial = {} if fixed_size else {2: "height", 3: "width"}
    write_graph(
        network,
        (torch.zeros(2, 3, image_size, image_size),),
        folder / ONNX_FILE,
        inputs=["input1"],
        outputs=["output1"],
        dynamic_axes={"input1": {0: "batch", **spatial}, "output1": {0: "batch"}},
    )


def export_classifier_if_possible(
    network: nn.Module, folder: Path, *, image_size: int, fixed_size: bool
) -> None:
    """The same for a network that nobody here knows; warn, and write nothing, where it fails."""
    try:
        export_classifier(network, folder, image_size=image_size, fixed_size=fixed_size)
        _check_graph(network, folder / ONNX_FILE, image_size)
    except Exception as error:  # the exporter's and the runtime's classes tell nothing
        (folder / ONNX_FILE).unlink(missing_ok=True)
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        LOG.warning("model.onnx is left out, the torch engines serve this model: %s", reason)


def _check_graph(network: nn.Module, path: Path, image_size: int) -> None:
    """Raise ValueError where the graph computes something else, alone or in a batch."""
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = _noise(count, image_size, image_size)
        with torch.no_grad():
            expected = network(images)
        (got,) = session.run(None, {"input1": images.numpy()})
        difference = (torch.from_numpy(got) - expected).abs().max()
        if not difference <= _TOLERANCE * max(1.0, float(expected.abs().max())):
            raise ValueError(f"the graph differs by {difference:.1e} on {count} images")


def export_detector(network: nn.Module, folder: Path, *, family: DetectorFamily, size: int) -> None:
    """Write `input` (N, 3, H, W) → the family's outputs, and masks.onnx for the mask head.

    Thresholds and NMS come after the graph, since requests may change them; so N, H and W are free.
    `size` is a typical side of a canvas, to trace with.
    """
    examples = [_noise(1, size, size), _noise(2, size + 64, size + 128)]
    with torch.no_grad():
        results = [_as_tuple(network(example)) for example in examples]
    write_graph(
        network,
        (examples[1],),
        folder / ONNX_FILE,
        inputs=["input"],
        outputs=list(family.outputs),
        dynamic_axes={
            "input": _differing(*examples, name="input"),
            **{
                name: _differing(one, other, name=name)
                for name, one, other in zip(family.outputs, *results, strict=True)
            },
        },
    )
    if family.mask_head is not None:
        features = family.decode(results[1]).features
        _export_mask_head(network, features, folder, mask_head=family.mask_head)


def _export_mask_head(
    network: nn.Module, features: Sequence[Tensor], folder: Path, *, mask_head: MaskHead
) -> None:
    names = [f"feature_{level}" for level in range(len(features))]
    rois = torch.tensor([[0.0, 4.0, 4.0, 40.0, 40.0], [1.0, 8.0, 8.0, 60.0, 30.0]])
    write_graph(
        _MaskGraph(network, mask_head).eval(),  # the exporter restores the mode, also of its parts
        (*features, rois, torch.zeros(2, dtype=torch.int64)),
        folder / MASKS_FILE,
        inputs=[*names, "rois", "label_ids"],
        outputs=["masks"],
        dynamic_axes={
            **{name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in names},
            **{name: {0: "rois"} for name in ("rois", "label_ids", "masks")},
        },
    )


class _MaskGraph(nn.Module):
    """The mask head alone, as a graph of its own."""

    def __init__(self, network: nn.Module, mask_head: MaskHead) -> None:
        super().__init__()
        self._network = network
        self._mask_head = mask_head

    def forward(self, *inputs: Tensor) -> Tensor:
        """Features, rois (R, 5) and label_ids (R,) to probabilities (R, M, M)."""
        *features, rois, label_ids = inputs
        return self._mask_head(self._network, features, rois, label_ids)


def write_graph(
    network: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    inputs: list[str],
    outputs: list[str],
    dynamic_axes: dict[str, dict[int, str]],
) -> None:
    """Trace a network with example inputs; `dynamic_axes` names the axes of any length."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on tracing; the parity check judges the result
        torch.onnx.export(
            network,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic_axes,
        )


def _noise(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def _as_tuple(outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _differing(one: Tensor, other: Tensor, *, name: str) -> dict[int, str]:
    """Name the axes whose length depends on the batch or the canvas."""
    pairs = enumerate(zip(one.shape, other.shape, strict=True))
    return {axis: f"{name}_{axis}" for axis, (a, b) in pairs if a != b}
