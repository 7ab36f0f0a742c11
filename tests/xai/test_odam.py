"""ODAM's maps against the gradient through whole networks, and against a pencil."""

import numpy as np
import pytest
import torch

from inference.candidates import Candidates
from inference.evidence import Evidence, Grid, Patch, Traced, cut_patch, whole_map
from tests.xai.detectors import (
    FAMILY_NAMES,
    kinds_of_families,
    naive_odam,
    some_candidates,
    tiny_detector,
)
from xai.detection.odam import odam

PARAMS = [  # Mask R-CNN differs in its masks alone
    pytest.param(name, marks=pytest.mark.slow) if name.startswith("mask") else name
    for name in FAMILY_NAMES
]


@pytest.fixture(scope="module", params=PARAMS)
def detector(request):
    return tiny_detector(request.param)


def scaled(values):
    """To a maximum of 1: log-odds and scores differ by a positive factor."""
    top = max(float(value.max()) for value in values) or 1.0
    return [np.asarray(value) / top for value in values]


def weighted(cell_maps):
    """From per canvas pixel to per cell, as the gradient gives it."""
    return [cell_map.values * cell_map.grid.stride**2 for cell_map in cell_maps]


def odam_of(evidence, rows, label_ids):
    return [weighted(maps) for maps in odam(evidence, rows, label_ids)]


def test_every_kind_of_detector_is_tested():
    assert {name.split("_resnet")[0] for name in FAMILY_NAMES} == kinds_of_families()


def test_evidence_holds_what_the_network_finds(detector):
    family, network, canvas = detector
    outputs = network(canvas)
    expected = family.decode(outputs if isinstance(outputs, tuple) else (outputs,))
    got = family.read_evidence(network, canvas)
    torch.testing.assert_close(got.candidates.boxes_xyxy, expected.boxes_xyxy)
    torch.testing.assert_close(got.candidates.scores, expected.scores)
    assert len(got.candidates.features) == len(expected.features)


def test_log_odds_are_those_of_the_scores(detector):
    family, network, canvas = detector
    evidence = family.read_evidence(network, canvas)
    rows, label_ids = some_candidates(evidence.candidates.scores)
    scores = evidence.trace(rows, label_ids).log_odds.detach().sigmoid()
    expected = evidence.candidates.scores[rows, label_ids]
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=1e-5)


def test_a_map_is_the_scores_gradient_through_the_whole_network(detector):
    family, network, canvas = detector
    evidence = family.read_evidence(network, canvas)
    rows, label_ids = some_candidates(evidence.candidates.scores, count=2)
    got = odam_of(evidence, rows, label_ids)
    for ours, theirs in zip(got, naive_odam(*detector, rows, label_ids), strict=True):
        shapes = [map_.shape for map_ in ours]
        assert not any(map_.any() for map_ in theirs if map_.shape not in shapes)
        theirs = [map_ for map_ in theirs if map_.shape in shapes]
        for a, b in zip(scaled(ours), scaled(theirs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_several_detections_get_what_each_gets_alone(detector):
    family, network, canvas = detector
    evidence = family.read_evidence(network, canvas)
    rows, label_ids = some_candidates(evidence.candidates.scores)
    together = odam_of(evidence, rows, label_ids)
    for i, expected in enumerate(together):
        (alone,) = odam_of(evidence, rows[i : i + 1], label_ids[i : i + 1])
        for a, b in zip(scaled(alone), scaled(expected), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_network_keeps_no_trace_of_it(detector):
    family, network, canvas = detector
    evidence = family.read_evidence(network, canvas)
    rows, label_ids = some_candidates(evidence.candidates.scores)
    assert len(list(odam(evidence, rows, label_ids))) == len(rows)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert not network.training


def test_nothing_chosen_gives_nothing(detector):
    family, network, canvas = detector
    none = torch.empty(0, dtype=torch.int64)
    assert list(odam(family.read_evidence(network, canvas), none, none)) == []


@pytest.mark.parametrize("name", ["yolov5", "fasterrcnn_resnet18_fpn"])
def test_a_score_that_rounds_to_1_still_has_a_map(name):
    family, network, canvas = tiny_detector(name)
    if name == "yolov5":
        for head in network.heads:
            head.bias.data += 100.0
    else:
        network.roi_heads.box_predictor.cls_score.bias.data[1] += 100.0
    evidence = family.read_evidence(network, canvas)
    rows, label_ids = torch.tensor([3]), torch.tensor([0])
    assert evidence.candidates.scores[3, 0] == 1.0
    (maps,) = odam(evidence, rows, label_ids)
    assert all(np.isfinite(map_.values).all() for map_ in maps)
    assert max(float(map_.values.max()) for map_ in maps) > 0


def by_hand(weights, *, disjoint):
    """Detection i has the log-odds Σ weights[i] · A of a map A of 1 to 4, in cells of 2 pixels."""
    map_ = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    shared = whole_map(map_, stride=2, center=0.5)

    def trace(rows, label_ids):
        patches = [
            cut_patch(map_, ((1, 2), (0, 2)), stride=2, center=0.5) if disjoint else shared
            for _ in rows
        ]
        pairs = zip(patches, rows, strict=True)
        log_odds = torch.stack([(p.values[0, 0] * weights[r]).sum() for p, r in pairs])
        return Traced(log_odds, [[patch] for patch in patches], disjoint)

    nothing = Candidates(torch.empty(0), torch.empty(0, 1, 4), torch.empty(0, 1))
    return Evidence(nothing, trace)


def test_evidence_against_is_cut_and_coarse_cells_are_spread_over_their_pixels():
    evidence = by_hand(torch.tensor([[[1.0, -1.0], [2.0, 0.0]]]), disjoint=False)
    ((cell_map,),) = odam(evidence, torch.tensor([0]), torch.tensor([0]))
    np.testing.assert_array_equal(cell_map.values, [[0.25, 0.0], [1.5, 0.0]])
    assert cell_map.grid == Grid((2, 2), 2, 0.5)


def test_a_patch_lands_at_its_place_on_the_map():
    evidence = by_hand(torch.tensor([[[1.0, 1.0]], [[0.0, 4.0]]]), disjoint=True)
    maps = list(odam(evidence, torch.tensor([0, 1]), torch.tensor([0, 0])))
    values = [map_.values.tolist() for (map_,) in maps]
    assert values == [[[0, 0], [0.75, 1]], [[0, 0], [0, 4]]]


def test_a_patch_is_a_leaf_that_leaves_its_map_alone():
    map_ = torch.zeros(1, 1, 2, 2)
    patch = cut_patch(map_, ((0, 1), (0, 2)), stride=4, center=0.0)
    assert isinstance(patch, Patch)
    assert patch.values.is_leaf
    assert patch.values.requires_grad
    assert not map_.requires_grad
