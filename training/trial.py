"""One trial, a process of its own: it reads its parameters and writes only files.

    python -m training.trial runs/<experiment>/<job>/trials/<nnn> [--seconds S] [--controlled]

--seconds: the time it has; left out, what the job's timeout leaves. --controlled: it stops when its
standard input ends, for then the controller that started it is gone.
Exit codes: 0 completed, 2 a mistake in data or parameters, 130 stopped by a signal, else 1.
Started again in the same folder it goes on from checkpoints/last.ckpt.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from inference.errors import SightlineError, UsageError
from inference.families import FAMILIES
from inference.files import read_json
from inference.types import Task
from training.automl.lifeline import trial_lock, watch_controller
from training.data.split_files import read_split
from training.environment import environment
from training.fit import fit
from training.hyperparameters import Hyperparameters, schema_for
from training.logs import log_to
from training.metrics_file import MetricsFile
from training.optimization import freeze_layers
from training.recipes import Recipe, TrialData, recipe_for
from training.runs import Run, Trial, write_json
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


def main(folder: Path, *, seconds: float | None = None, controlled: bool = False) -> int:
    """Run the trial in `folder` and return the exit code."""
    if controlled:
        watch_controller()
    with trial_lock(folder):
        return _main(Trial(folder), seconds)


def _main(trial: Trial, seconds: float | None) -> int:
    folder = trial.path
    log_to(folder / "log.txt")
    signals = StopSignals()
    trial.write_status("running")
    try:
        metrics = run_trial(trial, seconds=seconds)
    except SightlineError as error:
        return _fail(trial, str(error), exit_code=2)
    except (Stopped, Exception) as error:  # whatever it was, the run store must know of it
        if signals.received:
            trial.write_status("stopped")
            return 130
        LOG.debug("traceback", exc_info=True)
        text = f"{type(error).__name__}: {error} (traceback in {folder / 'log.txt'})"
        return _fail(trial, text, exit_code=1)
    trial.write_status("completed", metrics=metrics)
    return 0


def run_trial(trial: Trial, *, seconds: float | None = None) -> dict[str, float]:
    """Train, evaluate the best epoch and export it; return its metrics.

    `seconds` end training with its best epoch; None takes what the job's timeout leaves.
    """
    stated = read_json(trial.path / "params.json")
    data = _read_data(_run_of(trial), stated)
    schema = schema_for(data.task, stated["parameters"]["model_name"])
    parameters = schema.model_validate(stated["parameters"])
    recipe = recipe_for(data, parameters, seed=stated["seed"])
    network, validation = _train(
        trial, recipe, parameters, stated, seconds=_seconds_left(trial, stated, seconds)
    )
    results = recipe.evaluate(network, validation)
    write_json(trial.path / "evaluation.json", results)
    LOG.info("checking that ONNX and the server's code compute what the trained network does")
    parity = recipe.export(
        trial.model, network, metrics=results["metrics"], provenance=_provenance(trial, stated)
    )
    write_json(trial.path / "parity.json", parity)
    return results["metrics"]


def _train(
    trial: Trial,
    recipe: Recipe,
    parameters: Hyperparameters,
    stated: dict[str, Any],
    *,
    seconds: float,
) -> tuple[nn.Module, DataLoader[Any]]:
    """Fill checkpoints/, from the last one on if there is one.

    Returns the network of the best epoch, in evaluation mode, and the validation loader.
    """
    torch.manual_seed(stated["seed"])
    network = recipe.build(pretrained=parameters.pretrained, weights=parameters.weights)
    family = FAMILIES[parameters.model_name]
    freeze_layers(network, family, layers_to_freeze=parameters.layers_to_freeze)
    loaders = recipe.loaders()
    fit(
        recipe.module(network, batches_per_epoch=len(loaders[0])),
        loaders,
        parameters,
        folder=trial.path,
        primary_metric=stated["primary_metric"],
        seconds=seconds,
        callbacks=recipe.callbacks(),
        clip_norm=recipe.clip_norm,
    )
    best = trial.checkpoints / "best.ckpt"
    if not best.exists():
        raise UsageError("the time limit ended training before its first evaluation")
    load_weights(network, best, heads=())
    return network.eval(), loaders[1]


def _seconds_left(trial: Trial, stated: dict[str, Any], given: float | None) -> float:
    if given is not None:
        return given
    spent = sum(row["seconds"] for row in MetricsFile(trial.metrics).rows())
    return 60 * stated["timeout_minutes"] - spent


def _provenance(trial: Trial, stated: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": _run_of(trial).name,
        "trial": trial.path.name,
        "seed": stated["seed"],
        "data_hash": stated["data_hash"],
        "environment": environment(),
    }


def _run_of(trial: Trial) -> Run:
    return Run(trial.path.parent.parent)


def _read_data(run: Run, stated: dict[str, Any]) -> TrialData:
    return TrialData(
        task=Task(stated["task"]),
        labels=stated["labels"],
        train=read_split(run.path / "train.jsonl"),
        validation=read_split(run.path / "validation.jsonl"),
    )


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
