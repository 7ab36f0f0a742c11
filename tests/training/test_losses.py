import math

import pytest
import torch

from inference.types import Task
from training.losses import build_loss, class_weights

COUNTS = torch.tensor([1.0, 3.0])


@pytest.mark.parametrize(
    ("task", "level", "expected"),
    [
        (Task.CLASSIFICATION, 0, None),
        (Task.CLASSIFICATION, 2, [2.0, 2 / 3]),  # 4 / (2 · count)
        (Task.CLASSIFICATION, 1, [math.sqrt(2.0), math.sqrt(2 / 3)]),
        (Task.MULTILABEL, 2, [3.0, 1 / 3]),  # negatives / positives
        (Task.MULTILABEL, 1, [math.sqrt(3.0), math.sqrt(1 / 3)]),
    ],
)
def test_class_weights(task, level, expected):
    weights = class_weights(COUNTS, total=4, task=task, weighted_loss=level)
    assert (weights if weights is None else weights.tolist()) == (
        None if expected is None else pytest.approx(expected)
    )


def test_a_label_that_every_image_has_keeps_a_weight_above_zero():
    weights = class_weights(torch.tensor([4.0]), total=4, task=Task.MULTILABEL, weighted_loss=2)
    assert weights.tolist() == [0.25]


def test_multiclass_loss_of_even_logits_is_log_of_the_number_of_classes():
    loss = build_loss(Task.CLASSIFICATION, None)(torch.zeros(2, 4), torch.eye(4)[:2])
    assert loss.item() == pytest.approx(math.log(4))


def test_multilabel_loss_of_even_logits_is_log_2():
    loss = build_loss(Task.MULTILABEL, None)(torch.zeros(2, 3), torch.ones(2, 3))
    assert loss.item() == pytest.approx(math.log(2))


def test_weights_change_the_balance_between_classes():
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    targets = torch.eye(2)
    plain = build_loss(Task.CLASSIFICATION, None)(logits, targets)
    weighted = build_loss(Task.CLASSIFICATION, torch.tensor([0.1, 1.0]))(logits, targets)
    assert weighted > plain
