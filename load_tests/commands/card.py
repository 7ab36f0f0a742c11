"""What a team needs to know of a model before it says yes: CARD.md, card.json and plots."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from load_tests.card import Card, write_card
from load_tests.card_data import Labelled, read_labelled
from load_tests.card_measures import Plan, measure, sizes_mb
from load_tests.client import Target, check
from load_tests.contestants import ours
from load_tests.errors import UsageError
from load_tests.options import Duration, Images, Out, Port, Timeout, numbers
from load_tests.payloads import Photo, as_json, photos_from
from load_tests.processes import running_server
from load_tests.report import reporting

_LOADED = 64  # photos that requests go round with


def card(
    model: Annotated[Path, typer.Option(help="Model folder; a server is started for it.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Labelled images: a folder per class, a JSONL file or an MLTable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the card; the model folder by default.")
    ] = None,
    images: Images = None,
    p99_ms: Annotated[float, typer.Option(min=0.1, help="The promise, in milliseconds.")] = 200.0,
    clients: Annotated[str, typer.Option(help="Clients of the closed loops.")] = "1,8,32",
    explanations: Annotated[int, typer.Option(min=0, help="Per method; 0 for none.")] = 3,
    starts: Annotated[int, typer.Option(min=1, help="How often the server is started.")] = 2,
    most: Annotated[int, typer.Option(min=1, help="Labelled images that are scored.")] = 2000,
    engine: str = "auto",
    device: str = "auto",
    duration: Duration = 8.0,
    port: Port = 0,
    timeout: Timeout = 120.0,
    out: Out = None,
) -> None:
    """Measure a model behind our server and write its card into the model folder.

    Registered afterwards, the card goes into the model store, the Bento and its container.
    """
    if not (model / "model.json").is_file():
        raise UsageError(f"--model {model} is no model folder: it has no model.json")
    labelled = read_labelled(data, most=most) if data else []
    photos = _photos(images, labelled)
    plan = Plan(photos, labelled, numbers(clients), p99_ms, explanations, duration)
    contestant = ours(model, engine, device=device, explains=explanations > 0)
    with reporting("card", out) as report:
        for turn in range(starts):
            begin = time.perf_counter()
            with running_server(
                contestant.command,
                log=report.folder / "server.log",
                port=port,
                start_timeout_s=timeout,
                environment={"OMP_WAIT_POLICY": "PASSIVE"},
            ) as server:
                target = Target(server.base_url, timeout_s=timeout)
                check(target, as_json(photos[0]))
                scored_s = time.perf_counter() - begin
                report.add({"phase": "start", "ready_s": server.ready_s, "first_score_s": scored_s})
                if turn == starts - 1:
                    measured = measure(target, server.pid, plan, report)
        written = Card(
            model=model.resolve().name,
            facts=orjson.loads((model / "model.json").read_bytes()),
            where=report.about,
            started=[row for row in report.rows if row["phase"] == "start"],
            files_mb=sizes_mb(model),
            photos=f"those of {images or data}" if images or labelled else "made, of 160 KB",
            data=str(data) if data else None,
            p99_ms=p99_ms,
            measured=measured,
        )
        report.findings["card"] = str(write_card(written, output or model))


def _photos(images: Path | None, labelled: Sequence[Labelled]) -> list[Photo]:
    """The photos of requests: those named, else those of the data, else made ones."""
    if images is None and labelled:
        return [image.photo() for image in labelled[:_LOADED]]
    return photos_from(images)
