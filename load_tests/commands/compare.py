"""Our server and its peers in turns: same model, same photos, same load generator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from load_tests.comparison import Contest, check_answers, run_rounds, summarize_contest
from load_tests.contestants import baselines, check_model, ours
from load_tests.errors import UsageError
from load_tests.options import Duration, Images, Out, Port, Rounds, numbers
from load_tests.payloads import make_photos, photos_from
from load_tests.report import reporting

Model = Annotated[Path, typer.Option(help="Model folder with a graph; all servers run it.")]
Engines = Annotated[list[str] | None, typer.Option("--engine", help="Of ours; may be repeated.")]
Baselines = Annotated[
    list[str] | None, typer.Option("--baseline", help="Some of fastapi, bentoml, litserve.")
]
Decoder = Annotated[
    str, typer.Option(help="Of the baselines: pillow as people write it, or simplejpeg.")
]
Device = Annotated[str, typer.Option(help="Of all servers: cpu or cuda.")]
Workers = Annotated[str, typer.Option(help="Of ours, such as 1,4: a contestant each.")]
Clients = Annotated[str, typer.Option(help="Clients of the closed loops.")]
_SMALL_PX = 32  # a photo of 1 KB: what remains is the cost of HTTP and of the framework


def compare(
    model: Model,
    images: Images = None,
    clients: Clients = "1,8,32",
    rounds: Rounds = 3,
    duration: Duration = 8.0,
    engine: Engines = None,
    baseline: Baselines = None,
    decoder: Decoder = "pillow",
    device: Device = "cpu",
    workers: Workers = "1",
    port: Port = 0,
    out: Out = None,
) -> None:
    """Throughput and latency of our server, its peers, and the same work without HTTP.

    Answers are compared before any timing. One server runs at a time, in turns A B C A B C.
    """
    contest = Contest(
        model,
        photos_from(images),
        numbers(clients),
        duration,
        port,
        limit_options=("--images", str(images)) if images else (),
        device=device,
    )
    _run("compare", contest, rounds, engine, baseline, decoder, out, numbers(workers))


def framework(
    model: Model,
    clients: Clients = "1,8,32",
    rounds: Rounds = 3,
    duration: Duration = 5.0,
    engine: Engines = None,
    baseline: Baselines = None,
    port: Port = 0,
    out: Out = None,
) -> None:
    """The servers' own cost: `compare` with photos of 1 KB, for a model that takes no time.

    `python -m benchmarks model-folder timm/test_resnet FOLDER --crop 32 --resize 36` makes one.
    """
    photos = make_photos(8, size_wh=(_SMALL_PX, _SMALL_PX))
    contest = Contest(
        model, photos, numbers(clients), duration, port, limit_options=("--side", str(_SMALL_PX))
    )
    _run("framework", contest, rounds, engine, baseline, "simplejpeg", out)


def _run(
    command: str,
    contest: Contest,
    rounds: int,
    engines: Sequence[str] | None,
    baseline_names: Sequence[str] | None,
    decoder: str,
    out: Path | None,
    workers: Sequence[int] = (1,),
) -> None:
    check_model(contest.model)
    if decoder not in ("pillow", "simplejpeg"):
        raise UsageError(f"--decoder is pillow or simplejpeg, got {decoder!r}")
    if contest.device not in ("cpu", "cuda"):
        raise UsageError(f"--device is cpu or cuda, got {contest.device!r}")
    device = contest.device
    contestants = [
        ours(contest.model, engine, device=device, workers=count)
        for engine in engines or ["onnxruntime"]
        for count in workers
    ]
    contestants += baselines(baseline_names or (), contest.model, decoder=decoder, device=device)
    with reporting(command, out) as report:
        report.about |= {"model": str(contest.model), "decoder of the baselines": decoder}
        try:
            check_answers(contest, contestants, report)
            run_rounds(contest, contestants, report, rounds=rounds)
        finally:
            summarize_contest(contest, report)
