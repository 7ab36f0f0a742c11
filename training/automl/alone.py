"""The one trial of a job, run by a launcher: a person sees its log, and it survives lost nodes."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from inference.files import read_json
from training.automl.launcher import Handle, Launcher
from training.automl.lifeline import GRACE_SECONDS
from training.automl.records import last_words
from training.automl.verdicts import judge
from training.runs import Trial, seconds_left
from training.show import CONSOLE

_POLL_SECONDS = 0.2


def run_alone(trial: Trial, launcher: Launcher) -> int:
    """Run a trial to its end, from its last checkpoint again where it was lost; its exit code."""
    (slot,) = launcher.slots(1)
    parameters = read_json(trial.path / "params.json")["parameters"]
    restarts = 0
    while True:
        trial.write_status("starting")
        handle = launcher.start(trial.path, slot, seconds=seconds_left(trial))
        with _stopped_by_signals(handle) as requests:
            code = _wait(trial, handle, requests)
        verdict = judge(
            trial.status(),
            code,
            asked="user" if requests else "",
            restarts=restarts,
            kernel_killed=False,
            batch_size=parameters["training_batch_size"],
            last_words=last_words(trial),
        )
        if verdict.next != "restart":
            return code
        restarts += 1
        CONSOLE.print(f"the trial starts again: {verdict.reason}", markup=False)


def _wait(trial: Trial, handle: Handle, requests: list[float]) -> int:
    """Show new lines of the log until the trial has ended; kill it when it does not stop."""
    log = trial.path / "log.txt"
    shown = log.stat().st_size if log.exists() else 0
    while (code := handle.exit_code()) is None:
        shown = _show(trial, shown)
        if requests and (len(requests) > 1 or time.monotonic() > requests[0] + GRACE_SECONDS):
            handle.kill()
        time.sleep(_POLL_SECONDS)
    _show(trial, shown)
    return code


def _show(trial: Trial, begin: int) -> int:
    """Print whole lines of the log from byte `begin` on; where the next ones begin."""
    log = trial.path / "log.txt"
    if not log.exists():
        return begin
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read().rpartition(b"\n")[0]
    for line in text.decode(errors="replace").splitlines():
        _, _, message = line.partition(" INFO ")
        if message:
            CONSOLE.print(message, markup=False, highlight=False)
    return begin + len(text) + (1 if text else 0)


@contextmanager
def _stopped_by_signals(handle: Handle) -> Iterator[list[float]]:
    """Ctrl-C and SIGTERM ask the trial to stop; when, is in the list."""
    requests: list[float] = []

    def stop(*_: object) -> None:
        requests.append(time.monotonic())
        handle.stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, stop) for number in numbers]
    try:
        yield requests
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
