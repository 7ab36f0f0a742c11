"""A folder run that is shared: planned, scored by workers of whatever launcher, merged."""

from collections.abc import Callable
from dataclasses import dataclass

from inference.errors import UsageError
from inference.folder import ERRORS_FILE
from inference.folder_plan import Plan, open_plan
from inference.folder_workers import OnLine, Task, score_in_processes
from inference.leases import Leases
from inference.names import unknown_name
from inference.part_merge import finish
from inference.part_store import PartStore, open_parts

LAUNCHERS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Shared:
    """What became of a shared run: images scored by this command and by others, and failures."""

    scored: int
    by_others: int
    failed: int
    done_before: int


def score_shared(
    task: Task,
    *,
    workers: int,
    launcher: str = "local",
    address: str | None = None,
    on_plan: Callable[[int], None] = lambda images: None,
    on_line: Callable[[], None] = lambda: None,
) -> Shared:
    """Score what has no line yet, with `workers` here and whoever else works on this output.

    `on_plan` is told how many images that are, `on_line` is called for each that is scored here.
    Raises UsageError and OSError; the same call goes on from there.
    """
    launch = _launch(launcher, address)
    store = open_parts(task.output)
    labels = task.options.model.facts.labels
    plan = open_plan(store, task.source, labels=labels, workers=workers)
    on_plan(len(plan.images))
    failures = []

    def hear(failed: bool) -> None:
        failures.append(failed)
        on_line()

    if plan.images:
        launch(task, plan, workers, hear)
        finish(plan, store, Leases(store, seconds=task.lease_s))
    scored = failures.count(False)
    failed = _count_errors(store) if plan.images else 0
    by_others = max(0, len(plan.images) - scored - failed)
    return Shared(scored, by_others, failed, plan.done_before)


_Launch = Callable[[Task, Plan, int, OnLine], None]


def _launch(launcher: str, address: str | None) -> _Launch:
    if launcher not in LAUNCHERS:
        raise UsageError(unknown_name("launcher", launcher, LAUNCHERS))
    if launcher == "local":
        return lambda task, plan, count, hear: score_in_processes(task, count=count, on_line=hear)
    from inference.folder_ray import score_on_ray

    return lambda task, plan, count, hear: score_on_ray(
        task, plan, count=count, address=address, on_line=hear
    )


def _count_errors(store: PartStore) -> int:
    path = store.beside(ERRORS_FILE)
    if path is None:
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)
