"""A job file read and checked without training: what it asks for, and how much that is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from training.automl.automode import starts_from_weights
from training.automl.display import clock
from training.automl.estimate import estimated_seconds, seconds_per_image
from training.automl.portfolio import Facts, auto_plan
from training.automl.spaces import Space, parse_space, space_size
from training.automl.sweep import device_gb
from training.data.jsonl import lines
from training.data.mltable import open_table
from training.hyperparameters import resolve
from training.job import Job, read_job
from training.jobs import job_facts
from training.runs import all_runs
from training.starting_point import starting_parameters


def validate(path: Path, *, overrides: Sequence[str], root: Path) -> list[str]:
    """Lines about a job: itself with its defaults, the size of its space, an estimate of time.

    Tables are opened and their lines counted; no image is read. Raises UsageError for a mistake.
    """
    job = read_job(path, overrides=overrides)
    given = starting_parameters(job, root)
    images = _lines(job, job.training_data)
    if job.validation_data is not None:
        _lines(job, job.validation_data)
    space = parse_space(_search_space(job, given, images))
    lines = [yaml.safe_dump(_stated(job, given), sort_keys=False, allow_unicode=True).rstrip()]
    if job.ignored:
        lines.append(f"ignored, they matter on Azure only: {', '.join(job.ignored)}")
    return [
        *lines,
        f"images to train on: at most {images}",
        *_size(job, space, given, images, root),
    ]


def _search_space(job: Job, given: Mapping[str, Any], images: int) -> list[dict[str, Any]]:
    """The space as written, AutoMode's, or that of the one trial."""
    if job.mode == "sweep":
        return job.search_space
    model = resolve(given, task=job.task).model_name
    if job.mode == "single":
        return [{"model_name": model}]
    facts = Facts(
        device_gb=device_gb(),
        pretrained=starts_from_weights(given),
        images=images,
        side_px=1000,
        object_ratio=1,
    )
    return auto_plan(job.task, facts, given).search_space


def _stated(job: Job, given: Mapping[str, Any]) -> dict[str, Any]:
    facts = job_facts(job, given)
    if job.validation_data is None:
        facts["validation_data"] = f"{job.validation_data_size} of training"
    if job.mode == "sweep":
        facts |= {"sweep": job.sweep, "search_space": job.search_space}
    return facts


def _size(job: Job, space: Space, given: Mapping[str, Any], images: int, root: Path) -> list[str]:
    size, trials = space_size(space), job.limits.max_trials
    if job.mode == "automode":
        models = ", ".join(sub_space["model_name"].at(0) for sub_space in space)
        lines = [f"models that AutoMode tries on this machine: {models}"]
    else:
        lines = [f"combinations in the space: {'unlimited' if size is None else size}"]
    trials = trials if size is None else min(trials, size)
    seconds, unknown = estimated_seconds(
        space,
        given,
        task=job.task,
        trials=trials,
        images=images,
        speeds=seconds_per_image(all_runs(root)),
    )
    if seconds is None:
        why = f"nothing in {root} was trained with {', '.join(unknown)}"
        return [*lines, f"trials: at most {trials}; time: cannot be known, {why}"]
    limit = clock(60 * job.limits.timeout_minutes)
    return [
        *lines,
        f"trials: at most {trials}; time: about {clock(seconds)} of training one after the other, "
        f"by earlier runs; the job ends after {limit}",
    ]


def _lines(job: Job, table: Path) -> int:
    opened = open_table(table, datastores=job.datastores)
    return sum(1 for path in opened.files for _ in lines(path, opened.encoding))
