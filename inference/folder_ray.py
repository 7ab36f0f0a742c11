"""The parts of a folder run scored by actors of a Ray cluster: `--launcher ray`."""

import importlib.util
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.engine import resolve_device
from inference.errors import UsageError
from inference.folder_plan import Plan, is_done
from inference.folder_scorer import open_scorer
from inference.folder_sources import LocalFolder
from inference.folder_workers import OnLine, Task
from inference.leases import Leases
from inference.part_store import open_parts
from inference.parts import PartWorker
from inference.storage import is_remote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Actor:
    """A model on one of the cluster's workers; scores one part per call."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self._task, self._plan = task, plan
        self._store = open_parts(task.output)
        self._opened = open_scorer(task.options)  # for as long as the actor lives
        self._scorer = self._opened.__enter__()

    def __call__(self, batch: "dict[str, NDArray[np.int64]]") -> dict[str, list[Any]]:
        """Score the parts of these numbers; return how many images went well and how many not."""
        failures: list[bool] = []
        leases = Leases(self._store, seconds=self._task.lease_s)
        worker = PartWorker(
            self._store, self._plan, self._task.source, self._scorer, leases, failures.append
        )
        for number in batch["number"]:
            worker.run_one(int(number))
        return {"scored": [failures.count(False)], "failed": [failures.count(True)]}


def score_on_ray(
    task: Task, plan: Plan, *, count: int, address: str | None, on_line: OnLine
) -> None:
    """Score all parts with a pool of `count` actors; Ray restarts those that die.

    Every node needs this checkout, the model, the source and the output under the same paths.
    Raises UsageError where Ray is missing or its cluster cannot be reached.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--launcher ray needs the package ray: pip install 'ray[data]'")
    import ray

    _connect(address)
    ray.data.DataContext.get_current().enable_progress_bars = False  # the command has its own
    store = open_parts(task.output)
    left = [{"number": n} for n in range(plan.count) if not is_done(plan, n, store)]
    if not left:
        return
    done = ray.data.from_items(left, override_num_blocks=len(left)).map_batches(
        _Actor,
        fn_constructor_args=(_with_absolute_paths(task), plan),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=count),
        num_gpus=1 if resolve_device(task.options.device) == "cuda" else 0,
        scheduling_strategy="SPREAD",
    )
    for row in done.iter_rows():
        for failed in (False,) * row["scored"] + (True,) * row["failed"]:
            on_line(failed)


def _connect(address: str | None) -> None:
    import ray

    try:
        ray.init(
            address=address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])}},
        )
    except (ConnectionError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"--address {address}: no Ray cluster can be reached ({said})") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _with_absolute_paths(task: Task) -> Task:
    options, source = task.options, task.source
    model = replace(options.model, path=options.model.path.absolute())
    draw = options.draw.absolute() if options.draw else None
    if isinstance(source, LocalFolder):
        source = LocalFolder(source.folder.absolute())
    output = task.output if is_remote(task.output) else str(Path(task.output).absolute())
    return replace(
        task, source=source, output=output, options=replace(options, model=model, draw=draw)
    )
