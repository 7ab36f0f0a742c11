"""A moving average of the weights while they are trained; the average is the model."""

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

DECAY = 0.9999


class MovingAverage(WeightAveraging):
    """Average that forgets slowly; it is validated, saved and exported instead of the weights.

    After n updates the decay is (1 + n) / (10 + n), up to 0.9999: short runs would else end with
    an average of their random start (the ramp of TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self) -> None:
        super().__init__(multi_avg_fn=_average)


def _average(averages: list[Tensor], currents: list[Tensor], updates: Tensor | int) -> None:
    """Move averages, all of one type, towards the current values, in place."""
    if averages[0].is_floating_point():
        count = float(updates)
        decay = min(DECAY, (1.0 + count) / (10.0 + count))
        torch._foreach_lerp_(averages, currents, 1.0 - decay)
    else:
        torch._foreach_copy_(averages, currents)  # counters of BatchNorm
