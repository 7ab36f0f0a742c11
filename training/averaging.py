"""A moving average of the weights while they are trained; the average is the model."""

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

DECAY = 0.9999


class MovingAverage(WeightAveraging):
    """Average that forgets slowly; it is validated, saved and exported instead of the weights.

    After n updates the decay is (1 + n) / (10 + n), up to 0.9999: short runs would else end with
    an average of their random start (the ramp of TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self) -> None:
        super().__init__(avg_fn=_averaged)


def _averaged(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
    if not average.is_floating_point():
        return current  # counters of BatchNorm
    count = float(updates)
    decay = min(DECAY, (1.0 + count) / (10.0 + count))
    return decay * average + (1.0 - decay) * current
