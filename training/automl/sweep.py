"""A sweep put together from its run folder: what it needs at its start, and again when resumed."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from inference.files import read_json
from inference.types import Task
from training.automl.automode import AutoSampler, facts_of
from training.automl.bayesian import BayesianSampler
from training.automl.controller import Controller, Plan
from training.automl.display import watcher
from training.automl.launcher import Launcher, SubprocessLauncher
from training.automl.portfolio import auto_plan
from training.automl.proposals import Complete, Proposer
from training.automl.resolved import read_resolved, trial_facts
from training.automl.samplers import GridSampler, RandomSampler, Sampler, SobolSampler
from training.automl.spaces import Point, parse_space
from training.automl.sweep_schema import Sweep, parse_sweep
from training.data.load import DataSplit
from training.hyperparameters import resolve
from training.job import Job
from training.runs import Run

_MAX_STARTUP = 10  # random draws before Bayesian search trusts what it has seen


def sweep_section(job: Job, given: Mapping[str, Any], data: DataSplit) -> dict[str, Any]:
    """The part of job.resolved.yaml that says what is searched and how."""
    if job.mode == "sweep":
        return {"sweep": job.sweep, "search_space": job.search_space}
    facts = facts_of(data.train.records, data.report(), given, device_gb=device_gb())
    plan = auto_plan(job.task, facts, given)
    return {
        "sweep": {
            "sampling_algorithm": "bayesian",
            "early_termination": dict(plan.early_termination),
        },
        "search_space": plan.search_space,
        "automode": plan.to_yaml(),
    }


def run_sweep(run: Run, *, launcher: Launcher | None = None) -> int:
    """Start or go on with a sweep; 0 done, 130 stopped, 1 when no trial has completed."""
    resolved = read_resolved(run)
    limits, sweep = resolved["limits"], parse_sweep(resolved["sweep"])
    count = min(limits["max_concurrent_trials"], limits["max_trials"])
    launcher = launcher or SubprocessLauncher()
    slots = launcher.slots(count)
    plan = Plan(
        metric=resolved["primary_metric"],
        facts=trial_facts(run),
        max_trials=limits["max_trials"],
        seconds=60 * limits["timeout_minutes"],
        policy=sweep.policy,
        images=read_json(run.path / "data.json")["train"]["images"],
    )
    with watcher(run, plan) as shown:
        controller = Controller(
            run,
            plan,
            propose=Proposer(_sampler(resolved, sweep), _complete(resolved, slots[0].threads)),
            launcher=launcher,
            slots=slots,
            watcher=shown,
        )
        with _stopped_by_signals(controller):
            finished = controller.run()
    if not finished:
        return 130
    return 0 if any(record.outcome == "completed" for record in controller.records) else 1


def device_gb() -> float:
    """Memory of the first GPU in GiB, 0 without one."""
    if not torch.cuda.is_available():
        return 0.0
    return torch.cuda.get_device_properties(0).total_memory / 2**30


@contextmanager
def _stopped_by_signals(controller: Controller) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the controller to stop."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(n, lambda *_: controller.request_stop()) for n in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def _sampler(resolved: Mapping[str, Any], sweep: Sweep) -> Sampler:
    space = parse_space(resolved["search_space"])
    seed = resolved["seed"] if sweep.seed is None else sweep.seed
    if "automode" in resolved:
        points = resolved["automode"]["points"]
        return AutoSampler(space, tuple(Point(p["space"], p["values"]) for p in points), seed)
    if sweep.algorithm == "grid":
        return GridSampler(space)
    if sweep.algorithm == "bayesian":
        startup = min(_MAX_STARTUP, max(3, resolved["limits"]["max_trials"] // 4))
        return BayesianSampler(space, seed, startup)
    return SobolSampler(space, seed) if sweep.rule == "sobol" else RandomSampler(space, seed)


def _complete(resolved: Mapping[str, Any], cores: int) -> Complete:
    """How a point's values become hyperparameters; no more data workers than a slot's cores."""
    task, fixed = Task(resolved["task"]), resolved["training_parameters"]

    def complete(values: Mapping[str, Any]) -> dict[str, Any]:
        parameters = resolve({**fixed, **values}, task=task)
        workers = min(parameters.number_of_workers, cores)
        return {**parameters.model_dump(mode="json"), "number_of_workers": workers}

    return complete
