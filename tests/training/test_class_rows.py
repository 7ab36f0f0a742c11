"""Heads of other classes: a pencil can follow every row, and every family is as it says."""

import pytest
import torch

from inference.families import FAMILIES, Family
from inference.families.base import ClassRows
from tests.inference.families.transformers_networks import tiny_config
from training.class_rows import carried_over
from training.weights import Heads, load_weights

OLD, NEW = ("cat", "dog", "eel"), ("eel", "fox", "cat", "gnu")
DETECTORS = {
    "yolov5": {"model_size": "nano"},
    "fasterrcnn_resnet18_fpn": {},
    "maskrcnn_resnet18_fpn": {},
    "retinanet_resnet50_fpn": {},
    "rt_detr_v2": {"config": tiny_config("rt_detr_v2")},
    "d_fine": {"config": tiny_config("d_fine")},
    "mask2former": {"config": tiny_config("mask2former")},
}


@pytest.mark.parametrize(
    ("rows", "old", "expected"),
    [
        # old rows count from 1; 0 is a new row
        (ClassRows(), [1, 2, 3], [3, 0, 1, 0]),
        (ClassRows(before=1), [1, 2, 3, 4], [1, 4, 0, 2, 0]),  # background first
        (ClassRows(after=1), [1, 2, 3, 4], [3, 0, 1, 0, 4]),  # "no object" last
        (  # 2 rows each, with a background
            ClassRows(before=1, each=2),
            [1, 2, 3, 4, 5, 6, 7, 8],
            [1, 2, 7, 8, 0, 0, 3, 4, 0, 0],
        ),
        (ClassRows(), [1, 2, 3, 4, 5, 6], [3, 0, 1, 0, 6, 0, 4, 0]),  # two anchors
        (  # two anchors, each with 2 rows of its own
            ClassRows(before=2),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            [1, 2, 5, 0, 3, 0, 6, 7, 10, 0, 8, 0],
        ),
    ],
)
@pytest.mark.parametrize("shape", [(), (2, 1, 1)])
def test_rows_go_where_their_label_is(rows, old, expected, shape):
    source, wanted = (
        torch.tensor(values, dtype=torch.float32).view(-1, *[1] * len(shape)).expand(-1, *shape)
        for values in (old, expected)
    )
    new = torch.zeros_like(wanted)
    found = carried_over(new, source, rows, new_labels=NEW, old_labels=OLD)
    assert torch.equal(found, wanted)
    assert not new.any()


@pytest.mark.parametrize(
    ("new", "old"), [((4, 2), (4, 2)), ((4, 2), (3, 3)), ((8, 2), (3, 2)), ((), ())]
)
def test_tensors_that_differ_in_more_than_classes_are_not_mixed(new, old):
    found = carried_over(
        torch.zeros(new), torch.ones(old), ClassRows(), new_labels=NEW, old_labels=OLD
    )
    assert found is None


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_keeps_what_it_knows_of_each_class(name, trial_of):
    family, options = FAMILIES[name], DETECTORS[name]
    torch.manual_seed(0)
    old, new = (
        family.build(num_classes=len(labels), options=options, pretrained=False).eval()
        for labels in (OLD, NEW)
    )
    heads = Heads(family.heads, NEW, family.class_rows)
    load_weights(new, trial_of(old, name, OLD), heads=heads)
    before, after = old.state_dict(), new.state_dict()
    changed = {key for key in after if after[key].shape != before[key].shape}
    assert changed == {key for key in after if heads.holds(key)}
    assert all(torch.equal(after[key], before[key]) for key in after.keys() - changed)
    for key in changed:
        rows = heads.rows_of(key)
        of_new = _as_places(after[key], heads, key, NEW)
        of_old = _as_places(before[key], heads, key, OLD)
        for label in ("cat", "eel"):
            to, place = rows.before + NEW.index(label), rows.before + OLD.index(label)
            assert torch.equal(of_new[:, to], of_old[:, place])
        assert torch.equal(of_new[:, : rows.before], of_old[:, : rows.before])


@pytest.mark.parametrize("name", ["fasterrcnn_resnet18_fpn", "yolov5"])
def test_permuted_labels_permute_the_scores(name, trial_of):
    family, options = FAMILIES[name], DETECTORS[name]
    torch.manual_seed(0)
    order = (2, 0, 1)
    permuted = tuple(OLD[place] for place in order)
    old, new = (
        family.build(num_classes=3, options=options, pretrained=False).eval() for _ in range(2)
    )
    heads = Heads(family.heads, permuted, family.class_rows)
    load_weights(new, trial_of(old, name, OLD), heads=heads)
    canvas = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first, second = (family.decode(network(canvas)) for network in (old, new))
    torch.testing.assert_close(second.scores, first.scores[:, list(order)])
    for place, label_id in enumerate(order):
        rows = torch.arange(len(first.scores))
        boxes = (
            one.boxes_of(rows, torch.full_like(rows, which))
            for one, which in ((second, place), (first, label_id))
        )
        torch.testing.assert_close(*boxes)


def test_a_classifier_of_the_same_classes_in_another_order_says_the_same(trial_of):
    family = FAMILIES["resnet18"]
    assert isinstance(family, Family)
    old, new = (
        family.build(num_classes=3, image_size=32, pretrained=False).eval() for _ in range(2)
    )
    load_weights(new, trial_of(old, "resnet18", OLD), heads=Heads(family.heads, OLD[::-1]))
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(new(image), old(image).flip(1))


@pytest.mark.parametrize(
    "name", [name for name, one in FAMILIES.items() if isinstance(one, Family)]
)
def test_every_classifiers_head_has_one_row_per_class(name):
    family = FAMILIES[name]
    with torch.device("meta"):
        network = family.build(num_classes=5, image_size=224, pretrained=False)
    heads = Heads(family.heads, ())
    rows = {key: len(t) for key, t in network.state_dict().items() if heads.holds(key)}
    assert rows
    assert set(rows.values()) == {5}


def _as_places(tensor, heads, key, labels):
    rows = heads.rows_of(key)
    return tensor.unflatten(0, (-1, rows.before + len(labels) + rows.after, rows.each))
