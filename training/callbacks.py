"""What happens around the epochs of a trial: early stopping, a time limit and the metrics file."""

import logging
import math
import signal
import time
from collections.abc import Set
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from inference.errors import UsageError
from training.metrics_file import MetricsFile

LOG = logging.getLogger(__name__)
_STARVING = 0.2  # share of an epoch spent waiting for images that is worth a remark


class EarlyStopping(Callback):
    """Stop when `patience` evaluations in a row brought no better metric.

    A slow start is no reason to stop: the first `delay` evaluations do not count, and none does
    while the metric is still 0, as that of a detector that starts at random is for many epochs.
    """

    def __init__(self, metric: str, *, patience: int, delay: int) -> None:
        self._metric = metric
        self._patience = patience
        self._delay = delay
        self._state = {"evaluations": 0, "waited": 0, "best": float("-inf")}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stay stopped when a run that had stopped is resumed."""
        trainer.should_stop = trainer.should_stop or self.is_over()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count an evaluation."""
        self.update(float(trainer.callback_metrics[self._metric]))
        trainer.should_stop = trainer.should_stop or self.is_over()

    def update(self, value: float) -> None:
        """Take note of the metric of one evaluation."""
        state = self._state
        improved = value > state["best"]
        state["evaluations"] += 1
        state["best"] = max(state["best"], value)
        counts = state["evaluations"] > self._delay and state["best"] > 0 and not improved
        state["waited"] = state["waited"] + 1 if counts else 0

    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self._state["waited"] >= self._patience

    def state_dict(self) -> dict[str, Any]:
        """Counters, for the checkpoint."""
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Counters from a checkpoint."""
        self._state = dict(state_dict)


class TimeLimit(Callback):
    """End training after `seconds` with what is best so far."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Look at the clock after each batch; several processes stop together."""
        is_over = time.monotonic() > self._deadline
        trainer.should_stop = trainer.should_stop or trainer.strategy.reduce_boolean_decision(
            is_over, all=False
        )


class OurSignals(Callback):
    """SIGTERM does what it did before Lightning was started.

    Lightning's handler tells the other processes by a collective call from wherever the signal
    finds this one, in which all then wait for each other for ever.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the handler back."""
        signal.signal(signal.SIGTERM, self._handler)


class EpochLog(Callback):
    """Append one row per epoch to metrics.jsonl and log it as one line.

    `seconds` is the whole epoch's time, `data_seconds` what training steps waited for their images.
    """

    def __init__(self, path: Path, *, primary_metric: str, hidden: Set[str]) -> None:
        self._file = MetricsFile(path)
        self._primary = primary_metric
        self._hidden = hidden
        self._started = 0.0
        self._step_ended = 0.0
        self._waited_s = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop rows of epochs that a killed run had not yet saved in a checkpoint."""
        if trainer.is_global_zero:
            self._file.keep_before(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = self._step_ended = time.monotonic()
        self._waited_s = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the time since the last step: the batch was not there before."""
        self._waited_s += time.monotonic() - self._step_ended

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The next batch is wanted from now on."""
        self._step_ended = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and log the epoch. Raises UsageError when its loss is not finite."""
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name not in self._hidden
        }
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": time.monotonic() - self._started,
            "data_seconds": self._waited_s,
            **values,
        }
        if trainer.is_global_zero:
            self._file.append(row)
            self._log(row, trainer.max_epochs)
        if not math.isfinite(row["train_loss"]):
            raise UsageError(
                f"training has diverged: the loss of epoch {row['epoch'] + 1} is not finite; lower "
                f"learning_rate (it was {row['learning_rate']:.2g} at the epoch's end)"
            )

    def _log(self, row: dict[str, float], epochs: int | None) -> None:
        parts = [f"epoch {row['epoch'] + 1}/{epochs}", f"loss {row['train_loss']:.4f}"]
        if self._primary in row:
            parts.append(f"{self._primary} {row[self._primary]:.4f}")
        parts.append(f"{row['seconds']:.1f} s")
        if (share := row["data_seconds"] / row["seconds"]) > _STARVING:
            parts.append(f"{share:.0%} of it waiting for images: see number_of_workers")
        LOG.info("  ".join(parts))
