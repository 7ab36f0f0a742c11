"""The other processes of a trial on this node: started by its first one, and ended with it.

Each has its standard input from the first one, which is how it learns that the first has died (see
automl.lifeline). What goes wrong in one of them it leaves in ranks/<rank>.json; the first, which
alone writes the trial's status, takes the reason from there.
"""

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port

from inference.files import read_json
from training.distributed import Place, threads_each
from training.runs import write_json

Lost = Callable[[int], NoReturn]  # gets the exit code of a process that ended badly
_POLL_SECONDS = 0.1


@contextmanager
def other_ranks(place: Place, command: Sequence[str], *, lost: Lost) -> Iterator[None]:
    """Start the node's other processes with `command`; none of them is left at the end.

    `lost` is called in a thread of its own when one of them ends with anything but 0, and ends this
    process.
    """
    if place.starter != "ours" or place.per_node == 1 or place.local_rank > 0:
        yield
        return
    shared = _join(place)
    peers = [_start(command, local, shared) for local in range(1, place.per_node)]
    over = threading.Event()
    threading.Thread(target=_watch, args=(peers, lost, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        for peer in peers:
            _end(peer)


def _join(place: Place) -> dict[str, str]:
    """Make this process the node's first; the variables that its others need too."""
    threads = threads_each(place.per_node)
    torch.set_num_threads(threads)
    shared = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(find_free_network_port()),
        "NODE_RANK": os.environ.get("NODE_RANK", "0"),
        "OMP_NUM_THREADS": str(threads),
    }
    os.environ.update(shared, LOCAL_RANK="0")
    return shared


def _start(
    command: Sequence[str], local_rank: int, shared: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, **shared, "LOCAL_RANK": str(local_rank)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def _watch(peers: Sequence[subprocess.Popen[bytes]], lost: Lost, over: threading.Event) -> None:
    while not over.wait(_POLL_SECONDS):
        codes = [code for peer in peers if (code := peer.poll())]
        if codes and not over.is_set():
            for peer in peers:
                _end(peer)
            lost(min(codes))  # a killed process is why others fail


def _end(peer: subprocess.Popen[bytes]) -> None:
    peer.kill()  # it holds nothing that is not in the first one's files
    peer.wait()
    if peer.stdin is not None:
        peer.stdin.close()


def end_by_force() -> NoReturn:
    """Die of SIGKILL, as the process that was lost has: whoever started the trial starts it again.

    What is said here is the last line of the trial's stderr.txt.
    """
    sys.stderr.write("another process of this trial was lost\n")
    sys.stderr.flush()
    while True:
        os.kill(os.getpid(), signal.SIGKILL)


def note_error(trial: Path, rank: int, text: str, *, exit_code: int) -> int:
    """Leave why a process has failed, with the traceback, for the first one; return exit_code."""
    (trial / "ranks").mkdir(exist_ok=True)
    noted = {"error": text, "exit_code": exit_code, "traceback": traceback.format_exc()}
    write_json(trial / "ranks" / f"{rank}.json", noted)
    return exit_code


def noted_error(trial: Path) -> tuple[str, int] | None:
    """The error of another process and its exit code, if one has left any."""
    for path in sorted((trial / "ranks").glob("*.json")):
        noted = read_json(path)
        return f"process {path.stem}: {noted['error']}", noted["exit_code"]
    return None


def forget_errors(trial: Path) -> None:
    """Remove what an earlier attempt has left."""
    for path in (trial / "ranks").glob("*.json"):
        path.unlink(missing_ok=True)
