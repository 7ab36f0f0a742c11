import pytest
import torch
from torch import nn

from inference.families import classifier_named
from training.optimization import (
    build_optimizer,
    build_schedule,
    freeze_layers,
    warmup_cosine_factor,
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.25),  # the first of four warm-up steps already learns
        (3, 1.0),
        (4, 1.0),  # the cosine starts at its top
        (8, 0.5),  # half of half a cosine
        (12, 0.0),
    ],
)
def test_warmup_cosine_rises_linearly_then_follows_half_a_cosine(step, expected):
    factor = warmup_cosine_factor(step, warmup_steps=4, total_steps=12, cycles=0.5)
    assert factor == pytest.approx(expected)


def test_azures_default_cycles_stop_a_little_above_zero():
    last = warmup_cosine_factor(100, warmup_steps=0, total_steps=100, cycles=0.45)
    assert last == pytest.approx(0.0245, abs=1e-4)


def schedule_factors(name, *, epochs, steps_per_epoch, warmup_epochs=2):
    optimizer = build_optimizer(
        [nn.Parameter(torch.zeros(1))], name="sgd", learning_rate=1.0, weight_decay=0.0
    )
    schedule = build_schedule(
        optimizer,
        name=name,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        warmup_epochs=warmup_epochs,
        cycles=0.5,
        step_size=2,
        gamma=0.5,
    )
    factors = []
    for _ in range(epochs * steps_per_epoch):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return factors


def test_step_schedule_halves_every_second_epoch():
    factors = schedule_factors("step", epochs=5, steps_per_epoch=2)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_warm_up_leaves_half_of_a_short_run():
    assert max(schedule_factors("warmup_cosine", epochs=2, steps_per_epoch=3)) == 1.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_each_optimizer_name_gives_its_class(name, kind):
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer([parameter], name=name, learning_rate=0.1, weight_decay=0.01)
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


def test_freezing_two_groups_of_resnet18_stops_stem_and_layer1_only():
    family = classifier_named("resnet18")
    network = family.build(num_classes=3, image_size=32, pretrained=False)
    freeze_layers(network, family, layers_to_freeze=2)
    frozen = {n.split(".")[0] for n, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "bn1", "layer1"}
