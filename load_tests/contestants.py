"""The servers that are compared: ours, and those that a user would pick instead."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from load_tests.environment import usable_cores
from load_tests.errors import UsageError
from load_tests.payloads import Payload, Photo, as_columns, as_json

OURS = "sightline"


@dataclass(frozen=True, slots=True)
class Contestant:
    """How to start a server, in `command` with {port}, and how to ask it."""

    name: str
    command: Sequence[str]
    ready_path: str = "/readyz"
    payload: Callable[[Photo], Payload] = as_json
    environment: Mapping[str, str] = field(default_factory=dict)


def ours(
    model: Path, engine: str, *, device: str = "cpu", explains: bool = False, workers: int = 1
) -> Contestant:
    """Our server as its documentation starts it, by default without explanations as the others."""
    explain = str(explains).lower()
    arguments = [f"model={model}", f"engine={engine}", f"device={device}", f"explain={explain}"]
    arguments += [f"workers={workers}"]
    command = [*_bentoml("service:Scorer"), *(w for a in arguments for w in ("--arg", a))]
    name = f"{OURS}-{engine}" if workers == 1 else f"{OURS}-{engine} ×{workers}"
    return Contestant(name, command)


def baselines(
    names: Sequence[str], model: Path, *, decoder: str, device: str = "cpu"
) -> list[Contestant]:
    """The baselines of these names, all for none, each as workers × threads.

    On a CPU 1×cores and cores×1; on a GPU 1×cores and 4×(cores ÷ 4).

    Raises UsageError for unknown names.
    """
    for name in names:
        if name not in _BASELINES:
            close = get_close_matches(name, _BASELINES, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"unknown baseline {name!r} (known: {', '.join(_BASELINES)}){hint}")
    cores = usable_cores()
    many = cores if device == "cpu" else min(4, cores)
    shared = {"MODEL_FOLDER": str(model.resolve()), "DECODER": decoder, "DEVICE": device}
    return [
        replace(
            _BASELINES[name],
            name=f"{name} {workers}×{threads}",
            environment={**shared, "WORKERS": str(workers), "THREADS": str(threads)},
        )
        for name in dict.fromkeys(names or _BASELINES)
        for workers, threads in dict.fromkeys([(1, cores), (many, cores // many)])
    ]


def check_model(folder: Path) -> None:
    """Raise UsageError unless `folder` holds what the baselines read."""
    needed = ("model.json", "settings.json", "model.onnx")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"--model {folder} is no model folder with a graph: {', '.join(missing)} missing; "
            "`python -m benchmarks model-folder resnet18 FOLDER` makes one with random weights"
        )


def _bentoml(service: str) -> tuple[str, ...]:
    """Start `service` with this Python's BentoML."""
    words = (sys.executable, "-m", "bentoml", "serve", service)
    return (*words, "--host", "127.0.0.1", "--port", "{port}")


_BASELINES = {
    "fastapi": Contestant(
        "fastapi", (sys.executable, "-m", "load_tests.baselines.fastapi_server", "{port}")
    ),
    "bentoml": Contestant(
        "bentoml", _bentoml("load_tests.baselines.bentoml_server:Service"), payload=as_columns
    ),
    "litserve": Contestant(
        "litserve",
        (sys.executable, "-m", "load_tests.baselines.litserve_server", "{port}"),
        ready_path="/health",
    ),
}
