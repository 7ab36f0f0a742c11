"""D-RISE on detectors that a pencil can check."""

import numpy as np
import pytest
import torch

from inference.candidates import Candidates
from inference.errors import ExplanationFailed
from xai.detection.drise import Targets, drise, random_mask, similarities

SIZE_HW = (96, 128)
BOX = [16.0, 16.0, 32.0, 32.0]
TARGET = Targets(torch.tensor([BOX]), torch.tensor([0]), torch.tensor([[0.8, 0.0]]))


def seen_through(masks):
    """One object, at BOX, surer the more of BOX is visible."""
    scores = torch.zeros(len(masks), 2)
    scores[:, 0] = masks[:, 16:32, 16:32].mean(dim=(1, 2)) ** 2
    boxes = torch.tensor(BOX).expand(len(masks), 1, 4)
    return Candidates(torch.arange(len(masks)), boxes, scores)


def nothing_found(_):
    return Candidates(torch.empty(0).long(), torch.empty(0, 1, 4), torch.empty(0, 2))


def maps(find=seen_through, **options):
    options = {"n_masks": 200, "batch": 16, **options}
    return drise(find, SIZE_HW, options.pop("targets", TARGET), **options)


def test_the_map_is_high_where_hiding_hurts():
    (got,) = maps()
    assert got.shape == SIZE_HW
    assert got.min() >= 0
    assert got[16:32, 16:32].mean() > 2 * got[40:].mean()
    row, column = np.unravel_index(int(got.argmax()), SIZE_HW)
    assert 16 <= row < 32
    assert 16 <= column < 32


def test_masks_do_not_depend_on_the_batch():
    torch.testing.assert_close(maps(batch=1, n_masks=20), maps(batch=7, n_masks=20))


def test_the_seed_decides():
    assert torch.equal(maps(n_masks=20), maps(n_masks=20))
    assert not torch.equal(maps(n_masks=20), maps(n_masks=20, seed=1))


def test_what_is_never_found_again_has_an_empty_map():
    assert not maps(nothing_found, n_masks=5).any()


def test_no_targets_give_no_maps():
    none = Targets(torch.empty(0, 4), torch.empty(0).long(), torch.empty(0, 2))
    assert maps(targets=none, n_masks=5).shape == (0, *SIZE_HW)


def test_a_checkpoint_ends_it():
    calls = []

    def third_time():
        calls.append(len(calls))
        if len(calls) == 3:
            raise ExplanationFailed("given up")

    with pytest.raises(ExplanationFailed, match="given up"):
        maps(batch=5, checkpoint=third_time)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("box", "scores", "expected"),
    [
        (BOX, [0.5, 0.0], 0.5),  # the same box and class, half as sure
        (BOX, [0.0, 0.5], 0.0),  # another class
        ([16.0, 16.0, 32.0, 24.0], [1.0, 0.0], 0.5),  # half of the box
        ([0.0, 0.0, 8.0, 8.0], [1.0, 0.0], 0.0),  # elsewhere
        (BOX, [0.3, 0.4], 0.4 * 0.6),  # cosine 0.3 / 0.5
    ],
)
def test_similarity_is_overlap_times_class_times_objectness(box, scores, expected):
    found = Candidates(torch.tensor([1]), torch.tensor([[box]]), torch.tensor([scores]))
    got = similarities(TARGET, found, images=2)
    torch.testing.assert_close(got, torch.tensor([[0.0], [expected]]))


def test_the_best_candidate_counts_and_boxes_may_depend_on_the_class():
    boxes = torch.tensor([[[0.0, 0.0, 8.0, 8.0], BOX], [BOX, BOX]])
    found = Candidates(torch.tensor([0, 0]), boxes, torch.tensor([[0.9, 0.0], [0.2, 0.0]]))
    assert similarities(TARGET, found, images=1).item() == pytest.approx(0.2)


def test_masks_are_half_visible_and_soft():
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([random_mask(SIZE_HW, generator) for _ in range(100)])
    assert masks.shape == (100, *SIZE_HW)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert masks.mean() == pytest.approx(0.5, abs=0.02)
