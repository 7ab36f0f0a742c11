"""A trial that only sleeps: it takes, writes and answers signals as training.trial does.

    python -m tests.training.automl.fake_trial FOLDER --seconds S --controlled

Its checkpoint is metrics.jsonl itself. Values it understands: epochs, quality (the metric it
approaches), sleep (seconds per epoch), behaviour ("fails", "needs_batch", "kills_itself").
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from inference.files import read_json
from training.automl.lifeline import trial_lock, watch_controller
from training.metrics_file import MetricsFile
from training.runs import Trial

FITS = 4  # the batch that "needs_batch" has memory for


def stop(*_):
    raise SystemExit(130)


def work(trial: Trial) -> int:
    parameters = read_json(trial.path / "params.json")["parameters"]
    behaviour = parameters.get("behaviour")
    if behaviour == "fails":
        trial.write_status("failed", error="UsageError: nothing to learn")
        return 2
    if behaviour == "needs_batch" and parameters["training_batch_size"] > FITS:
        trial.write_status("failed", error="OutOfMemoryError: CUDA out of memory. Tried 2 GiB")
        return 1
    metrics = MetricsFile(trial.metrics)
    for epoch in range(len(metrics.rows()), parameters["epochs"]):
        time.sleep(parameters["sleep"])
        if behaviour == "kills_itself":
            os.kill(os.getpid(), signal.SIGKILL)
        value = parameters["quality"] * (1 - 0.5 ** (epoch + 1))
        metrics.append({"epoch": epoch, "accuracy": value, "seconds": parameters["sleep"]})
    with (trial.path / "completions.txt").open("a") as file:
        file.write("completed\n")
    trial.write_status("completed", metrics={"accuracy": metrics.rows()[-1]["accuracy"]})
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--controlled", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    watch_controller()
    trial = Trial(arguments.folder)
    with trial_lock(arguments.folder):
        trial.write_status("running")
        try:
            return work(trial)
        except SystemExit:
            trial.write_status("stopped")
            raise


if __name__ == "__main__":
    sys.exit(main())
