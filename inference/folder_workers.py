"""A folder scored by several processes of this machine, each with its own engine.

Each process gets a share of the cores and one of the GPUs. One that is killed is replaced, and the
part that it had goes to whoever is free.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from inference.engine import resolve_device
from inference.errors import DeviceLost, SightlineError, UsageError
from inference.folder_plan import read_plan
from inference.folder_scorer import ScorerOptions, open_scorer
from inference.folder_sources import ImageSource
from inference.leases import DEFAULT_S, Leases
from inference.part_store import open_parts
from inference.parts import PartWorker

OnLine = Callable[[bool], None]  # whether the image failed
_REPLACED_AT_MOST = 3  # an image that kills whoever decodes it must not do so for ever
_USAGE, _DEVICE_LOST = 2, 3  # exit codes of workers


@dataclass(frozen=True, slots=True)
class Task:
    """What all workers of a run have in common; picklable."""

    source: ImageSource
    output: str
    options: ScorerOptions
    lease_s: float = DEFAULT_S


@dataclass(frozen=True, slots=True)
class Share:
    """The CPU cores and the GPU of one worker; none means all that there are."""

    cores: tuple[int, ...] = ()
    gpu: str | None = None


@dataclass(frozen=True, slots=True)
class _Worker:
    process: SpawnProcess
    news: Connection
    share: Share


def score_here(task: Task, *, on_line: OnLine) -> None:
    """Score parts of the task's plan in this process until all are done."""
    store = open_parts(task.output)
    plan = read_plan(store)
    if plan is None:  # others have just finished it
        return
    leases = Leases(store, seconds=task.lease_s)
    with open_scorer(task.options) as scorer:
        PartWorker(store, plan, task.source, scorer, leases, on_line).run()


def score_in_processes(task: Task, *, count: int, on_line: OnLine) -> None:
    """Score with `count` worker processes; returns when all parts are done.

    Raises UsageError with a worker's own words when it cannot start, or when too many have died.
    """
    workers = [_start(task, share) for share in shares(count, gpus=visible_gpus(task.options))]
    deaths = 0
    try:
        while workers:
            ready = wait([worker.news for worker in workers])
            for worker in [worker for worker in workers if worker.news in ready]:
                if _is_heard(worker, on_line):
                    continue
                workers.remove(worker)
                worker.process.join()
                if worker.process.exitcode != 0:
                    deaths += 1
                    _check_death(worker.process.exitcode or 0, deaths)
                    workers.append(_start(task, worker.share))
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join()


def shares(count: int, *, gpus: Sequence[str] = ()) -> list[Share]:
    """Divide this machine among workers; cores and GPUs are shared where they do not suffice."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [
        Share(
            tuple(cores[i::count] or cores[i % len(cores) : i % len(cores) + 1] if cores else ()),
            gpus[i % len(gpus)] if gpus else None,
        )
        for i in range(count)
    ]


def visible_gpus(options: ScorerOptions) -> list[str]:
    """Name the GPUs that workers may use, as CUDA_VISIBLE_DEVICES does."""
    if resolve_device(options.device) == "cpu":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return named.split(",")
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def _start(task: Task, share: Share) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads' locks
    news, end = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, share, end), daemon=True)
    process.start()
    end.close()  # so that the worker's death ends the pipe
    return _Worker(process, news, share)


def _is_heard(worker: _Worker, on_line: OnLine) -> bool:
    """Take one piece of news; False at the end. Raises UsageError with what stopped a worker."""
    try:
        said = worker.news.recv()
    except (EOFError, OSError):
        return False
    if isinstance(said, str):
        raise UsageError(said)
    on_line(said)
    return True


def _check_death(code: int, deaths: int) -> None:
    if code > 0 and code != _DEVICE_LOST:
        raise UsageError(f"a worker failed with exit code {code}; its traceback is above")
    if deaths > _REPLACED_AT_MOST:
        why = "lost its device" if code > 0 else f"was killed by {signal.Signals(-code).name}"
        raise UsageError(
            f"{deaths} workers died, the last one {why}; all lines so far are kept, the same "
            "command goes on (fewer --workers need less memory)"
        )


def _work(task: Task, share: Share, news: Connection) -> None:
    """Be a worker: the main function of its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this one
    if share.cores:
        os.sched_setaffinity(0, share.cores)  # threads and decoders are counted by it
    if share.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = share.gpu
    try:
        score_here(task, on_line=news.send)
    except BrokenPipeError:  # the parent is gone
        sys.exit(1)
    except DeviceLost:
        sys.exit(_DEVICE_LOST)
    except (SightlineError, OSError) as error:
        news.send(str(error))
        sys.exit(_USAGE)
