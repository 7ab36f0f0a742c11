"""What the end of a trial's process means for the sweep.

Out of memory is what the trial itself recorded (MemoryError, torch.OutOfMemoryError), or a SIGKILL
while the kernel's count of out-of-memory kills went up. Any other SIGKILL may have come from
anybody: the trial goes on from its last checkpoint, with the batch that it had, a few times.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RESTARTS = 3  # of a trial that something ended from outside
_OUT_OF_MEMORY = re.compile(
    r"\b(MemoryError|OutOfMemoryError|out of memory|can't allocate memory|_ALLOC_FAILED)"
)
_WORKER_KILLED = re.compile(r"DataLoader worker .* killed by signal")
_VMSTAT = Path("/proc/vmstat")

Outcome = Literal["completed", "failed", "terminated", "cancelled"]
Asked = Literal["", "policy", "timeout", "user"]  # who asked the trial to stop
Next = Literal["end", "leave", "restart", "smaller"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows: `end` with an outcome, `leave` for a later resume, `restart`, `smaller` batch.

    reason: why, for people.
    """

    next: Next
    outcome: Outcome | None = None
    reason: str = ""


def judge(
    status: Mapping[str, Any],
    exit_code: int,
    *,
    asked: Asked,
    restarts: int,
    kernel_killed: bool,
    batch_size: int,
    last_words: str,
) -> Verdict:
    """Decide what the end of a process means.

    `status` is what the trial wrote last, `restarts` how often it was started again already,
    `kernel_killed` whether the kernel killed for memory meanwhile, `last_words` the end of stderr.
    """
    state = status["state"]
    if state == "completed":
        return Verdict("end", "completed")
    if asked == "policy":
        return Verdict("end", "terminated")
    if asked == "timeout":
        return Verdict("end", "cancelled", "the job's time is up")
    if asked == "user":
        return Verdict("leave")
    error = str(status.get("error", "")) if state == "failed" else ""
    killed = exit_code < 0 or _WORKER_KILLED.search(error) is not None
    if _OUT_OF_MEMORY.search(error) or (killed and kernel_killed):
        reason = error or "killed by the kernel, which had run out of memory"
        if batch_size > 1:
            return Verdict("smaller", reason=reason)
        return Verdict("end", "failed", reason)
    reason = error or _end_of_process(exit_code, last_words)
    if (killed or exit_code == 130) and restarts < RESTARTS:
        return Verdict("restart", reason=reason)
    return Verdict("end", "failed", reason)


def _end_of_process(exit_code: int, last_words: str) -> str:
    end = f"ended by signal {-exit_code}" if exit_code < 0 else f"ended with code {exit_code}"
    return f"{end}: {last_words}" if last_words else end


def kernel_kills() -> int:
    """How many processes this machine's kernel has killed for memory; 0 where it does not say."""
    try:
        lines = _VMSTAT.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
