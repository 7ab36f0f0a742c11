import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from training.averaging import DECAY, _average


def test_the_average_starts_with_the_weights_and_then_follows_them():
    network = torch.nn.BatchNorm1d(1)
    average = AveragedModel(network, multi_avg_fn=_average, use_buffers=True)
    average.update_parameters(network)  # the first one copies
    expected = 1.0
    for updates, value in enumerate([3.0, 5.0], start=1):
        torch.nn.init.constant_(network.weight, value)
        network.num_batches_tracked += 1
        average.update_parameters(network)
        decay = (1 + updates) / (10 + updates)
        expected = decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected)
    assert average.module.num_batches_tracked.item() == 2


def test_the_decay_stops_at_its_limit():
    averages, currents = [torch.zeros(1)], [torch.ones(1)]
    _average(averages, currents, 10**9)
    assert averages[0].item() == pytest.approx(1 - DECAY)
