import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from inference.families import DetectorFamily, detector_named
from tests.inference.families.transformers_networks import (
    NAMES,
    NOTHING,
    SIZE,
    TWO,
    TWO_SHARES,
    noise,
    settled,
    targets_of,
    tiny,
)

TOLERANCE = 1e-4


def unlike(one: Sequence[Tensor], other: Sequence[Tensor], *, side: int) -> float:
    """Largest distance of a query in (logits, boxes) from the nearest query in the other.

    Scores, and boxes as shares of the canvas; queries with nearly equal scores may change places.
    """
    a, b = (torch.cat([o[0].sigmoid(), o[1] / side], dim=-1) for o in (one, other))
    distances = (a[:, :, None] - b[:, None]).abs().amax(dim=-1)  # (N, Q, Q)
    return float(torch.maximum(distances.amin(dim=1).max(), distances.amin(dim=2).max()))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_single_images_give(name: str) -> None:
    network, canvases = settled(name), noise(3)
    with torch.inference_mode():
        together = network(canvases)
        alone = [torch.cat(parts) for parts in zip(*map(network, canvases.split(1)), strict=True)]
    assert unlike(together, alone, side=SIZE) < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("truth", [(NOTHING, NOTHING), (TWO, NOTHING)])
def test_losses_are_finite_and_their_sum_is_the_librarys(
    name: str, training: bool, truth: Any
) -> None:
    network = tiny(name).train(training)
    targets = targets_of(*truth)
    torch.manual_seed(3)  # of the noise on denoising queries
    losses = detector_named(name).losses(network, noise(2), targets)
    assert network.training == training
    assert {"loss_vfl", "loss_bbox", "loss_giou"} <= set(losses)
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    labels = [
        {
            "class_labels": target.label_ids,
            "boxes": torch.tensor(TWO_SHARES[: len(target.label_ids)]).view(-1, 4),
        }
        for target in targets
    ]
    torch.manual_seed(3)
    expected = network.detector(pixel_values=noise(2), labels=labels).loss
    assert float(torch.stack([*losses.values()]).sum().detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_losses_fall_also_after_a_validation_without_gradients(name: str) -> None:
    network, losses, targets = tiny(name), detector_named(name).losses, targets_of(TWO, NOTHING)
    with torch.inference_mode():
        losses(network.eval(), noise(2), targets)
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=1e-3)
    totals = []
    for _ in range(10):
        total = torch.stack([*losses(network, noise(2), targets).values()]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.7 * totals[0]


@pytest.mark.parametrize("name", NAMES)
def test_onnx_gives_what_the_network_gives_for_any_batch_and_size(
    tmp_path: Path, name: str
) -> None:
    network, family = settled(name), detector_named(name)
    session = exported(network, family, tmp_path / "model.onnx")
    for count, height, width in [(1, 64, 64), (3, 64, 64), (2, 96, 64)]:
        canvases = noise(count, height=height, width=width)
        got = session.run(list(family.outputs), {"input": canvases.numpy()})
        with torch.inference_mode():
            expected = network(canvases)
        assert unlike(expected, [torch.from_numpy(part) for part in got], side=SIZE) < TOLERANCE


def exported(
    network: nn.Module, family: DetectorFamily, path: Path
) -> onnxruntime.InferenceSession:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on tracing
        torch.onnx.export(
            network,
            (noise(2),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=list(family.outputs),
            dynamic_axes={
                "input": {0: "batch", 2: "height", 3: "width"},
                **{output: {0: "batch"} for output in family.outputs},
            },
        )
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
