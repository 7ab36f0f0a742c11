"""Starting trials: the one thing that depends on where they run."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from training.automl.slots import Slot, divide, visible_devices

TRIAL = (sys.executable, "-m", "training.trial")
# Else every process would say that find_unused_parameters may cost time (see distributed).
QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR"}


class Handle(Protocol):
    """A trial that was started."""

    def exit_code(self) -> int | None:
        """Return the exit code, negative for the signal that ended it; None while it runs."""
        ...

    def stop(self) -> None:
        """Ask it to save and end; does nothing when it has ended."""
        ...

    def kill(self) -> None:
        """End it and all its processes at once; does nothing when it has ended."""
        ...


class Launcher(Protocol):
    """Starts trials.

    A trial must end by itself when the process that started it dies, and keep others out of its
    folder while it runs (see lifeline).
    """

    def slots(self, count: int) -> list[Slot]:
        """Divide what there is among `count` trials at once."""
        ...

    def start(self, folder: Path, slot: Slot, *, seconds: float) -> Handle:
        """Start the trial in `folder` on a slot; it has `seconds` until the job's time is up."""
        ...


class SubprocessLauncher:
    """Trials as processes of this machine, `command FOLDER --seconds S --controlled`.

    `variables` are added to their environment.
    """

    def __init__(
        self, command: Sequence[str] = TRIAL, *, variables: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._variables = dict(variables or {})

    def slots(self, count: int) -> list[Slot]:
        """Divide this machine's GPUs and cores."""
        import torch  # seconds, which a Ray actor need not spend

        from inference.engine import usable_cores

        devices = visible_devices(os.environ, found=torch.cuda.device_count())
        return divide(count, devices=devices, cores=usable_cores())

    def start(self, folder: Path, slot: Slot, *, seconds: float) -> Handle:
        """Start a session of its own, so that Ctrl-C reaches the controller alone.

        What the process itself would print is in the trial's log.txt already; stderr.txt is for
        what it cannot log: a failed import, a crash in native code.
        """
        command = [*self._command, str(folder), "--seconds", f"{seconds:.1f}", "--controlled"]
        with (folder / "stderr.txt").open("ab") as errors:
            process = subprocess.Popen(
                command,
                env={**QUIET, **os.environ, **slot.environment(), **self._variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        return _Process(process)


class _Process:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
