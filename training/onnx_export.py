"""The scoring graph of a classifier as ONNX, under Azure's names of inputs and outputs."""

import warnings
from pathlib import Path

import torch
from torch import nn

OPSET = 17


def export_onnx(network: nn.Module, path: Path, *, image_size: int, fixed_size: bool) -> None:
    """Write `input1` (N, 3, S, S) float32 → `output1` (N, C) logits; N is free.

    S is free as well unless `fixed_size`, so that valid_crop_size may change after the export. The
    tracing exporter is used for every family because the default one fails on detectors.
    """
    spatial = {} if fixed_size else {2: "height", 3: "width"}
    example = torch.zeros(2, 3, image_size, image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on tracing; the parity check judges the result
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input1"],
            output_names=["output1"],
            dynamic_axes={"input1": {0: "batch", **spatial}, "output1": {0: "batch"}},
        )
