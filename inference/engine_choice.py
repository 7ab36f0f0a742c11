"""`engine: auto`: time the engines on this machine and keep the fastest that says the same."""

import fcntl
import logging
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ValidationError

from inference.agreement import difference, fixed_images
from inference.engine import ENGINES, usable_cores
from inference.engine.compiled_lanes import compiler
from inference.errors import DeviceLost, SightlineError, UsageError
from inference.files import read_json, write_text_atomically
from inference.model_folder import ModelFolder
from inference.packages import package_versions
from inference.pipeline import Pipeline, load_pipeline
from inference.race import race
from inference.types import CLASSIFICATION_TASKS, ClassScores

log = logging.getLogger(__name__)

REFERENCE = "torch"  # float32
VERDICTS_FILE = "engines.json"  # in the model folder, one verdict for each kind of machine
TOLERANCE = 1e-2  # of a probability or score, against the reference
_BATCHES = {"cpu": (1, 8), "cuda": (1, 32)}
_DETECTOR_BATCHES = {"cpu": (1, 2), "cuda": (1, 8)}
_HOPELESS = 3.0  # times slower than the reference on one image: not looked at any further
_VECTORS = ("avx", "amx", "sve", "sme", "bf16")
_PACKAGES = ("torch", "onnxruntime")


class Candidate(BaseModel):
    """One engine's trial. seconds: of a run by batch size; refused: why it cannot be taken."""

    engine: str
    seconds: dict[int, float] = {}
    difference: float | None = None
    refused: str | None = None


class Verdict(BaseModel):
    """The engine to use on one kind of machine, and why."""

    engine: str
    candidates: tuple[Candidate, ...]

    def is_about(self, engines: Iterable[str]) -> bool:
        """Whether it has tried just these: there may be others since."""
        return {candidate.engine for candidate in self.candidates} == set(engines)

    def __str__(self) -> str:
        return f"{self.engine}: " + "; ".join(map(_in_words, self.candidates))


def load_fastest(folder: ModelFolder, *, device: str) -> tuple[Verdict, Pipeline]:
    """Choose an engine and load it.

    An earlier verdict's engine may have lost what it needs, such as room for a compiled graph; then
    the next best one is loaded. Raises as `load_pipeline` does when none can be.
    """
    verdict = choose_engine(folder, device=device)
    *better, last = _ranking(verdict.candidates)
    for engine in better:
        try:
            return verdict, load_pipeline(folder, engine=engine, device=device)
        except UsageError as error:
            log.warning("not the fastest engine: %s", error)
    return verdict, load_pipeline(folder, engine=last, device=device)


def choose_engine(folder: ModelFolder, *, device: str) -> Verdict:
    """Return what was found earlier on such a machine, or try the engines and keep the verdict.

    The fastest is the one with the smallest geometric mean of seconds per image over a single one
    and a batch. Engines that differ from float32 by more than 0.01 in a probability or score, or
    in the top class, are out; for detectors the best boxes must have an IoU of 0.99.
    """
    path, machine = folder.path / VERDICTS_FILE, _machine(folder, device)
    with _one_at_a_time(folder):
        known = _known_verdicts(path)
        if machine not in known or not known[machine].is_about(ENGINES):
            log.info("timing the engines on this machine; the verdict is kept in %s", path)
            known[machine] = _try_all(folder, device)
            _keep(path, known)
    log.info("engine %s", known[machine])
    return known[machine]


@contextmanager
def _one_at_a_time(folder: ModelFolder) -> Iterator[None]:
    """Let one process time the engines, undisturbed: a server's workers must choose the same."""
    with folder.weights_path.open("rb") as file:
        with suppress(OSError):  # network file systems that are read-only need not lock
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_all(folder: ModelFolder, device: str) -> Verdict:
    is_detector = folder.facts.task not in CLASSIFICATION_TASKS
    reference = load_pipeline(folder, engine=REFERENCE, device=device)
    images = fixed_images(is_detector=is_detector)
    items = [reference.prepare(image, folder.settings)[0] for image in images]
    candidates = {name: Candidate(engine=name) for name in ENGINES}
    pipelines = {REFERENCE: reference}
    for name, candidate in candidates.items():
        try:
            pipeline = pipelines.get(name) or load_pipeline(folder, engine=name, device=device)
            candidate.refused = _refusal(candidate, reference, pipeline, items)
        except Exception as error:  # a runtime that cannot compute this network is no candidate
            if name == REFERENCE or isinstance(error, DeviceLost):
                raise  # there is nothing to compare with, or nothing to compute on
            candidate.refused = str(error)
        if candidate.refused is None:
            pipelines[name] = pipeline
    for size in (_DETECTOR_BATCHES if is_detector else _BATCHES)[device]:
        for name, seconds in _race(pipelines, [items[0]] * size).items():
            candidates[name].seconds[size] = seconds
    tried = tuple(candidates.values())
    return Verdict(engine=_ranking(tried)[0], candidates=tried)


def _ranking(candidates: Sequence[Candidate]) -> list[str]:
    """Names of the engines that may be taken, the fastest first."""
    right = [candidate for candidate in candidates if candidate.refused is None]
    return [candidate.engine for candidate in sorted(right, key=_seconds_per_image)]


def _refusal(
    candidate: Candidate, reference: Pipeline, other: Pipeline, items: Sequence[Any]
) -> str | None:
    """Why an engine cannot be taken, None if it can; notes how much it differs."""
    alone = [items[0]]
    times = _race({REFERENCE: reference, candidate.engine: other}, alone, rounds=2)
    if times[candidate.engine] > _HOPELESS * times[REFERENCE]:
        return f"is {times[candidate.engine] / times[REFERENCE]:.0f} times slower"
    candidate.difference = max(difference(reference, other, item) for item in items)
    if not candidate.difference <= TOLERANCE:
        return f"differs by {candidate.difference:.1e}, allowed {TOLERANCE:.0e}"
    if not all(_same_top_class(reference, other, item) for item in items):
        return "gives another top class"
    return None


def _same_top_class(own: Pipeline, other: Pipeline, item: Any) -> bool:
    """Whether the top class is the same, or float32 itself is undecided; true for detectors."""
    (expected,), (answer,) = own.run([item]), other.run([item])
    if not isinstance(expected, ClassScores):
        return True
    chosen = expected.probs[np.argmax(answer.probs)]
    return bool(expected.probs.max() - chosen <= TOLERANCE)


def _race(pipelines: Mapping[str, Pipeline], batch: list[Any], **options: int) -> dict[str, float]:
    return race({name: partial(one.run, batch) for name, one in pipelines.items()}, **options)


def _seconds_per_image(candidate: Candidate) -> float:
    logs = [math.log(seconds / size) for size, seconds in candidate.seconds.items()]
    return math.exp(sum(logs) / len(logs))


def _machine(folder: ModelFolder, device: str) -> str:
    """What a verdict depends on: the hardware, the runtimes and the size of the images."""
    parts = [_cpu_name(), f"{usable_cores()} cores"]
    if device == "cuda":
        parts.append(torch.cuda.get_device_name())
    elif compiler() is None:
        parts.append("no compiler")
    parts += [f"{name} {version}" for name, version in package_versions(_PACKAGES).items()]
    size = folder.settings.model_dump(include={"valid_crop_size", "img_size", "min_size"})
    return ", ".join(parts + [f"{name} {value}" for name, value in size.items()])


def _cpu_name() -> str:
    """The CPU and which vector instructions it has: machines of one name differ in them."""
    if not hasattr(torch.cpu, "get_capabilities"):  # torch of early 2026
        return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    about = torch.cpu.get_capabilities()
    has = sorted(n for n, value in about.items() if value is True and n.startswith(_VECTORS))
    return f"{about.get('cpu_name', platform.machine())} ({' '.join(has)})"


def _known_verdicts(path: Path) -> dict[str, Verdict]:
    try:
        return {machine: Verdict.model_validate(v) for machine, v in read_json(path).items()}
    except (SightlineError, ValidationError, AttributeError):  # none yet, or of another version
        return {}


def _keep(path: Path, verdicts: Mapping[str, Verdict]) -> None:
    texts = [f'"{machine}": {verdict.model_dump_json()}' for machine, verdict in verdicts.items()]
    if not os.access(path.parent, os.W_OK):
        log.warning("%s is read-only: the engines are timed anew at every start", path.parent)
        return
    write_text_atomically(path, "{\n" + ",\n".join(texts) + "\n}\n")


def _in_words(candidate: Candidate) -> str:
    if candidate.refused is not None:
        return f"{candidate.engine} refused ({candidate.refused})"
    times = ", ".join(
        f"{size} in {1000 * seconds:.1f} ms" for size, seconds in candidate.seconds.items()
    )
    return f"{candidate.engine} {times}, differs by {candidate.difference:.0e}"
