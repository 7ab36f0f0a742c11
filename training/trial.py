"""One trial, a process of its own: it reads its parameters and writes only files.

    python -m training.trial runs/<experiment>/<job>/trials/<nnn> [--seconds S] [--controlled]

--seconds: the time it has; left out, what the job's timeout leaves. --controlled: it stops when its
standard input ends, for then the controller that started it is gone.
Exit codes: 0 completed, 2 a mistake in data or parameters, 130 stopped by a signal, else 1.
Started again in the same folder it goes on from checkpoints/last.ckpt.

Where several processes train together (see distributed), this is the first of them: it starts the
others of its node and alone writes the trial's files. The others train, and end.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from inference.errors import SightlineError, UsageError
from training.automl.launcher import TRIAL
from training.automl.lifeline import GRACE_SECONDS, trial_lock, watch_controller
from training.distributed import is_loss_of_another, place_of
from training.distributed_ranks import (
    end_by_force,
    forget_errors,
    note_error,
    noted_error,
    other_ranks,
)
from training.environment import environment
from training.logs import log_to
from training.runs import Trial, seconds_left, write_json
from training.trial_setup import Setup, read_setup, run_of, train
from training.weights import load_weights

LOG = logging.getLogger("training")


class Stopped(BaseException):
    """A signal asked the trial to stop; what it has saved stays."""


class StopSignals:
    """Turns Ctrl-C and SIGTERM into Stopped, once, and remembers it.

    A signal to the process group ends the data workers too, so that something else may be raised
    while training is taken down.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, _: int, __: FrameType | None) -> None:
        if not self.received:
            self.received = True
            raise Stopped


def main(
    folder: Path,
    *,
    seconds: float | None = None,
    controlled: bool = False,
    command: Sequence[str] = TRIAL,
) -> int:
    """Run the trial in `folder` and return the exit code; `command` starts its other processes."""
    if controlled:
        watch_controller()
    trial = Trial(folder)
    left = seconds_left(trial) if seconds is None else seconds
    others = (*command, str(folder), "--seconds", f"{left:.1f}", "--controlled")
    if place_of(os.environ).rank > 0:
        return _follow(trial, seconds=left, others=others)
    with trial_lock(folder):
        return _lead(trial, seconds=left, others=others)


def _lead(trial: Trial, *, seconds: float, others: Sequence[str]) -> int:
    """Be the first process."""
    folder = trial.path
    log_to(folder / "log.txt")
    signals = StopSignals()
    trial.write_status("running")
    forget_errors(folder)
    try:
        metrics = run_trial(trial, seconds=seconds, others=others)
    except SightlineError as error:
        return _fail(trial, str(error), exit_code=2)
    except (Stopped, Exception) as error:  # whatever it was, the run store must know of it
        if signals.received:
            trial.write_status("stopped")
            return 130
        LOG.debug("traceback", exc_info=True)
        if is_loss_of_another(error):
            _end_as_another(trial)
        text = f"{_described(error)} (traceback in {folder / 'log.txt'})"
        return _fail(trial, text, exit_code=1)
    trial.write_status("completed", metrics=metrics)
    return 0


def _follow(trial: Trial, *, seconds: float, others: Sequence[str]) -> int:
    """Be another process: a signal ends it at once, and Ctrl-C is the first one's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = place_of(os.environ)
    try:
        setup = read_setup(trial)
        place = setup.place
        with other_ranks(place, others, lost=lambda _: end_by_force()):
            train(trial, setup, seconds=seconds)
    except SightlineError as error:
        return note_error(trial.path, place.rank, str(error), exit_code=2)
    except Exception as error:
        if is_loss_of_another(error):
            return 1
        return note_error(trial.path, place.rank, _described(error), exit_code=1)
    return 0


def run_trial(trial: Trial, *, seconds: float, others: Sequence[str]) -> dict[str, float]:
    """Train, evaluate the best epoch and export it; return its metrics.

    `seconds` end training with its best epoch. `others` is the command of the other processes,
    which are over when training is.
    """
    setup = read_setup(trial)
    recipe = setup.recipe
    with other_ranks(setup.place, others, lost=lambda code: _lost(trial, code)):
        network = train(trial, setup, seconds=seconds)
    best = trial.checkpoints / "best.ckpt"
    if not best.exists():
        raise UsageError("the time limit ended training before its first evaluation")
    load_weights(network, best)
    _, validation = recipe.loaders()
    results = recipe.evaluate(network.eval(), validation)
    write_json(trial.path / "evaluation.json", results)
    LOG.info("checking that ONNX and the server's code compute what the trained network does")
    parity = recipe.export(
        trial.model, network, metrics=results["metrics"], provenance=_provenance(trial, setup)
    )
    write_json(trial.path / "parity.json", parity)
    return results["metrics"]


def _provenance(trial: Trial, setup: Setup) -> dict[str, Any]:
    return {
        "run": run_of(trial).name,
        "trial": trial.path.name,
        "seed": setup.stated["seed"],
        "data_hash": setup.stated["data_hash"],
        "environment": environment(),
    }


def _lost(trial: Trial, code: int) -> NoReturn:
    """End because another process has; one that was asked to stop is a request to stop them all."""
    if code == -signal.SIGTERM:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
    _end_as_another(trial)


def _end_as_another(trial: Trial) -> NoReturn:
    """End with the error that another process has left; if none has, killed as that one was."""
    noted = noted_error(trial.path)
    if noted is None:
        end_by_force()
    text, exit_code = noted
    os._exit(_fail(trial, text, exit_code=exit_code))


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _fail(trial: Trial, text: str, *, exit_code: int) -> int:
    LOG.error("error: %s", text)
    trial.write_status("failed", error=text)
    return exit_code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.trial")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--controlled", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(**vars(_arguments())))
