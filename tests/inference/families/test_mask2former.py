"""Mask2Former: masks per query, and what follows from them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inference.candidates import BoxTargets
from inference.errors import UsageError
from inference.families import DetectorFamily, detector_named, family_for
from inference.families.transformers_detectors.masks import boxes_around
from inference.predictor import Predictor
from inference.responses import result_body
from inference.types import Task
from tests.inference.families.overfitting import mean_average_precision, overfit, scenes
from tests.inference.families.transformers_networks import noise, tiny, tiny_config
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder

FAMILY = detector_named("mask2former")
SURE = 30.0  # a logit whose probability is 1


def maps(*drawings: str) -> torch.Tensor:
    """Logits (1, Q, h, w) of drawings whose rows are separated by /: # is inside, . outside."""
    cells = [[[c == "#" for c in row] for row in one.split("/")] for one in drawings]
    return (2 * torch.tensor(cells).float()[None] - 1) * SURE


@pytest.mark.parametrize(
    ("drawing", "box"),
    [
        ("..../..../....", [0, 0, 0, 0]),
        ("#.../..../....", [0, 0, 4, 4]),
        ("..../..../...#", [12, 8, 16, 12]),
        ("..../.##./....", [4, 4, 12, 8]),
        ("#.../..../...#", [0, 0, 16, 12]),  # what is in two pieces is one object
    ],
)
def test_a_box_is_what_surrounds_a_mask(drawing: str, box: list[float]) -> None:
    assert boxes_around(maps(drawing), (12, 16))[0, 0].tolist() == box


def test_a_score_is_the_probability_of_the_class_times_the_certainty_of_the_mask() -> None:
    logits = torch.zeros(1, 3, 3)  # two classes and "no object", one third each
    logits[0, 0, 0] = math.log(2)  # one half, one quarter
    masks = maps("##/..", "##/##", "../..")
    masks[0, 1] = math.log(3)  # three quarters
    found = FAMILY.decode([logits, boxes_around(masks, (8, 8)), masks])
    expected = [[1 / 2, 1 / 4], [1 / 4, 1 / 4], [0, 0]]  # nothing is left of an empty mask
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert found.image_ids.tolist() == [0, 0, 0]


def test_each_detection_reads_its_own_map_whatever_was_chosen_in_whichever_image() -> None:
    drawings = ["##../##../..../....", "..../..../..##/..##"]
    masks = torch.cat([maps(*drawings), maps(*reversed(drawings))])
    found = FAMILY.decode([torch.zeros(2, 2, 2), boxes_around(masks, (16, 16)), masks])
    rois = found.rois_of(torch.tensor([3, 1]), torch.tensor([0, 0]))
    assert rois.tolist() == [[3, 0, 0, 8, 8], [1, 8, 8, 16, 16]]
    grids = FAMILY.mask_head(tiny("mask2former"), found.features, rois, torch.zeros(2))
    assert grids.shape == (2, 112, 112)
    assert (grids[:, 28:84, 28:84] > 0.99).all()  # of its own map, in its own box, all is inside


def test_an_image_alone_and_with_neighbours_gives_the_same() -> None:
    network = tiny("mask2former").eval()
    with torch.inference_mode():
        together = network(noise(3))
        for i, image in enumerate(noise(3)):
            for one, three in zip(network(image[None]), together, strict=True):
                torch.testing.assert_close(one[0], three[i], atol=1e-4, rtol=1e-4)


def test_images_without_objects_are_learnt_from() -> None:
    network = tiny("mask2former")
    nothing = BoxTargets(
        torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 64, 64, dtype=torch.uint8)
    )
    total = sum(FAMILY.losses(network, noise(2), [nothing, nothing]).values())
    total.backward()
    gradient = network.detector.class_predictor.weight.grad
    assert gradient.isfinite().all()
    assert gradient.any()


def test_a_described_network_is_rebuilt_with_the_same_outputs() -> None:
    network = tiny("mask2former").eval()
    options = json.loads(json.dumps(FAMILY.describe(network)))
    again = FAMILY.build(num_classes=3, options=options, pretrained=False).eval()
    again.load_state_dict(network.state_dict())
    with torch.inference_mode():
        pairs = zip(network(noise(1)), again(noise(1)), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_the_heads_are_what_depends_on_the_classes() -> None:
    three = tiny("mask2former").state_dict()
    five = tiny("mask2former", num_classes=5).state_dict()
    changed = {key for key in three if three[key].shape != five[key].shape}
    assert changed == {key for key in three if key.startswith(FAMILY.heads)}


def test_a_local_checkpoint_gives_its_weights_but_not_its_classes(tmp_path: Path) -> None:
    public = tiny("mask2former", num_classes=5)
    public.detector.save_pretrained(tmp_path)
    family = family_for(str(tmp_path), Task.SEGMENTATION)
    assert isinstance(family, DetectorFamily)
    assert (family.name, family.tasks) == ("mask2former", {Task.SEGMENTATION})
    network = family.build(num_classes=3, options={}, pretrained=True)
    weights = public.state_dict()
    for key, tensor in network.state_dict().items():
        assert key.startswith(family.heads) or torch.equal(tensor, weights[key]), key
    with pytest.raises(UsageError, match="none for image_object_detection"):
        family_for(str(tmp_path), Task.DETECTION)


def test_without_weights_the_architecture_is_small() -> None:
    network = FAMILY.build(num_classes=3, options={}, pretrained=False)
    assert sum(parameter.numel() for parameter in network.parameters()) < 20e6


def test_a_model_folder_serves_outlines_and_has_no_graph(tmp_path: Path) -> None:
    folder = write_detector_folder(
        tmp_path / "model",
        family="mask2former",
        options={"config": tiny_config("mask2former")},
        settings={"min_size": 64, "max_size": 128, "box_score_thresh": 0.01, "nms_iou_thresh": 1.0},
    )
    assert not FAMILY.has_graph
    photos = [encoded(seed, size_wh=(90, 60 + 20 * seed)) for seed in range(3)]
    with Predictor(folder, device="cpu", engine="torch") as predictor:
        bodies = [result_body(found) for found in predictor.score_all(photos)]
        alone = [result_body(found) for photo in photos for found in predictor.score_all([photo])]
    assert any(body["boxes"] for body in bodies)
    for body, again in zip(bodies, alone, strict=True):
        for one, other in zip(body["boxes"], again["boxes"], strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=1e-4)
            assert one["polygon"]
            assert all(0 <= value <= 1 for ring in one["polygon"] for value in ring)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_few_pictures_are_learnt_by_heart() -> None:
    torch.manual_seed(0)
    config: dict[str, Any] = {
        **tiny_config("mask2former", width=64),
        "decoder_layers": 3,
        "train_num_points": 1024,
    }
    network: nn.Module = FAMILY.build(num_classes=2, options={"config": config}, pretrained=False)
    images, targets = scenes(128)
    overfit(FAMILY, network, images, targets, steps=400, learning_rate=1e-3, batch=4)
    assert mean_average_precision(FAMILY, network, images, targets) > 0.95
