"""A real controller over fake trials; as a command, `python -m … RUN_FOLDER OPTIONS_JSON`."""

import json
import signal
import sys
from pathlib import Path

from training.automl.controller import Controller, Plan
from training.automl.launcher import SubprocessLauncher
from training.automl.proposals import Proposer
from training.automl.samplers import RandomSampler
from training.automl.slots import divide
from training.automl.spaces import parse_space
from training.runs import Run

COMMAND = (sys.executable, "-S", "-m", "tests.training.automl.fake_trial")
BASE = {
    "model_name": "fake",
    "training_batch_size": 16,
    "validation_batch_size": 16,
    "gradient_accumulation_step": 1,
    "epochs": 3,
    "sleep": 0.0,
}
SPACE = [{"quality": {"type": "uniform", "min_value": 0, "max_value": 1}}]


class Silent:
    def __init__(self):
        self.events = []

    def event(self, text):
        self.events.append(text)

    def update(self, records, seconds):
        pass


def controller(
    folder,
    *,
    trials,
    slots=1,
    seed=0,
    seconds=1000.0,
    policy=None,
    space=SPACE,
    poll=0.02,
    **values,
):
    folder.mkdir(parents=True, exist_ok=True)
    return Controller(
        Run(folder),
        Plan("accuracy", {"task": "fake"}, trials, seconds, policy, images=100),
        propose=Proposer(
            RandomSampler(parse_space(space), seed), lambda drawn: {**BASE, **values, **drawn}
        ),
        launcher=SubprocessLauncher(COMMAND),
        slots=divide(slots, devices=[], cores=slots),
        watcher=Silent(),
        poll_seconds=poll,
    )


def best(folder):
    """Trial and value of the leaderboard's first row."""
    row = json.loads((folder / "leaderboard.json").read_text())[0]
    return row["trial"], row["value"]


if __name__ == "__main__":
    sweep = controller(Path(sys.argv[1]), **json.loads(sys.argv[2]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sweep.request_stop())
    sys.exit(0 if sweep.run() else 130)
