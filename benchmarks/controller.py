"""What a sweep's controller itself takes, with trials that take no time."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import CONSOLE
from training.automl.bayesian import BayesianSampler
from training.automl.controller import Controller, Plan
from training.automl.policies import Bandit, When
from training.automl.proposals import Proposer
from training.automl.samplers import RandomSampler, Sampler
from training.automl.slots import Slot, divide
from training.automl.spaces import parse_space
from training.metrics_file import MetricsFile
from training.runs import Run, Trial

_SPACE = [
    {
        "model_name": {"type": "choice", "values": ["vitb16r224", "resnet50", "seresnext"]},
        "learning_rate": {"type": "log_uniform", "min_value": -10, "max_value": -3},
        "weight_decay": {"type": "uniform", "min_value": 0, "max_value": 0.01},
    }
]
_BATCHES = {
    "training_batch_size": 16,
    "validation_batch_size": 16,
    "gradient_accumulation_step": 1,
}


def _sampler(name: str, at_once: int) -> Sampler:
    space = parse_space(_SPACE)
    return BayesianSampler(space, 0, at_once) if name == "bayesian" else RandomSampler(space, 0)


class _Stopwatch:
    """Adds up what is not the controller's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begin


class _Trial:
    """A trial that reports an epoch whenever somebody looks whether it has ended."""

    def __init__(self, trial: Trial, epochs: int, outside: _Stopwatch) -> None:
        self._trial, self._left, self._outside = trial, epochs, outside
        point = json.loads((trial.path / "params.json").read_text(encoding="utf-8"))["point"]
        self._quality = 1.0 - 50 * abs(point["values"]["weight_decay"] - 0.004)
        self._stopped = False

    def exit_code(self) -> int | None:
        with self._outside.running():
            if self._left and not self._stopped:
                self._left -= 1
                row = {"epoch": self._left, "accuracy": self._quality / (1 + self._left)}
                MetricsFile(self._trial.metrics).append({**row, "seconds": 0.0})
                return None
            state = "stopped" if self._stopped else "completed"
            self._trial.write_status(state, metrics={"accuracy": self._quality})
            return 0

    def stop(self) -> None:
        self._stopped = True

    kill = stop


class _Launcher:
    def __init__(self, epochs: int, outside: _Stopwatch) -> None:
        self._epochs, self._outside = epochs, outside

    def slots(self, count: int) -> list[Slot]:
        return divide(count, devices=[], cores=count)

    def start(self, folder: Path, slot: Slot, *, seconds: float) -> _Trial:
        return _Trial(Trial(folder), self._epochs, self._outside)


class _Silent:
    """Shows nothing; counts the controller's passes over its trials."""

    passes = 0

    def event(self, text: str) -> None:
        pass

    def update(self, records: Any, seconds: float) -> None:
        self.passes += 1


def time_controller(*, trials: int, at_once: int, epochs: int, sampling: str) -> None:
    """Print the controller's own time per trial and per pass."""
    outside, watcher = _Stopwatch(), _Silent()
    launcher = _Launcher(epochs, outside)
    with tempfile.TemporaryDirectory() as folder:
        controller = Controller(
            Run(Path(folder)),
            Plan("accuracy", {}, trials, 1e6, Bandit(When(1, 2), slack_factor=0.2), images=100),
            propose=Proposer(_sampler(sampling, at_once), lambda drawn: {**_BATCHES, **drawn}),
            launcher=launcher,
            slots=launcher.slots(at_once),
            watcher=watcher,
            poll_seconds=0.0,
        )
        begin = time.perf_counter()
        controller.run()
        own_s = time.perf_counter() - begin - outside.seconds
    CONSOLE.print(
        f"{trials} trials of {epochs} epochs, {at_once} at once, {sampling}: controller "
        f"{own_s:.1f} s, {1000 * own_s / trials:.1f} ms per trial, "
        f"{1000 * own_s / watcher.passes:.1f} ms per pass"
    )
