"""A module exported to ONNX and opened with onnxruntime, as tests compare it with eager code."""

import warnings

import onnxruntime as ort
import torch


def onnx_session(module, arguments, path, *, inputs, outputs):
    """Export `module`; returns run(*tensors) → list of tensors.

    inputs: name to the axes that are free, in the order of `arguments`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on tracing; the comparison judges the result
        torch.onnx.export(
            module,
            tuple(arguments),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={n: {i: f"{n}_{i}" for i in axes} for n, axes in inputs.items()},
        )
    session = _session(path)

    def run(*tensors):
        feed = {name: t.numpy() for name, t in zip(inputs, tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(list(outputs), feed)]

    return run


def _session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
