"""The card of a model as Markdown, JSON and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from load_tests.card_measures import Measured
from load_tests.plot import Plot, draw
from load_tests.report import Row, to_markdown

_LATENCY = ("clients", "images_per_s", "p50_ms", "p99_ms", "max_ms", "errors")
_START = ("ready_s", "first_score_s")
_VERSIONS = ("python", "torch", "onnxruntime", "bentoml")


@dataclass(frozen=True, slots=True)
class Card:
    """All that a card says. facts: model.json; where: the machine; started: a row per start."""

    model: str
    facts: Mapping[str, Any]
    where: Mapping[str, Any]
    started: Sequence[Row]
    files_mb: Mapping[str, float]
    photos: str
    data: str | None
    p99_ms: float
    measured: Measured


def write_card(card: Card, folder: Path) -> Path:
    """Write CARD.md, card.json and the plots into `folder`; return the path of CARD.md."""
    folder.mkdir(parents=True, exist_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
    (folder / "card.json").write_bytes(orjson.dumps(asdict(card), option=options))
    draw(_latency_plot(card.measured.loops), folder / "card-latency.png", title=card.model)
    draw(_promise_plot(card), folder / "card-promise.png", title=card.model)
    path = folder / "CARD.md"
    path.write_text(to_card(card), encoding="utf-8")
    return path


def to_card(card: Card) -> str:
    """The card as Markdown."""
    parts = [
        f"# {card.model}: {card.facts['family']}, {card.facts['task']}",
        _summary(card),
        "## How good",
        _quality(card),
        "## How fast",
        f"The highest Poisson rate with p99 ≤ {card.p99_ms:g} ms and errors under 0.1 %: "
        f"**{card.measured.rate:.1f} requests/s**. Photos: {card.photos}; one per request, "
        "as base64 in JSON.",
        "Clients that send their next request when the last one is answered:",
        to_markdown([{name: row[name] for name in _LATENCY} for row in card.measured.loops]),
        "![throughput and latency by clients](card-latency.png)\n"
        "![latency by offered rate](card-promise.png)",
        "## Explanations",
        _explanations(card.measured.explained),
        "## Start, memory, size",
        "From a cold process to `/readyz` and to the first score, in seconds; "
        "the first start on a machine may time the engines:",
        to_markdown([{name: row[name] for name in _START} for row in card.started]),
        "Resident memory of all processes, in MB; pages that they share count in each:",
        to_markdown([card.measured.memory_mb]),
        "Files of the model, in MB:",
        to_markdown([{**card.files_mb, "all": sum(card.files_mb.values())}]),
        "## Where it was measured",
        to_markdown([{"what": name, "value": value} for name, value in _where(card)]),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(card: Card) -> str:
    engine, labels = card.measured.served["engine"], card.measured.served["labels"]
    names = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
    provenance = {"provenance": card.facts["provenance"]} if card.facts.get("provenance") else {}
    rows = {
        "labels": f"{len(labels)}: {names}",
        "engine": f"{engine['name']} on {engine['device']}",
        "settings": card.measured.served["settings"],
        **provenance,
    }
    return to_markdown([{"what": name, "value": value} for name, value in rows.items()])


def _quality(card: Card) -> str:
    if card.measured.accuracy is not None:
        return f"Over HTTP, on {card.data}:\n\n{to_markdown([card.measured.accuracy.row()])}"
    metrics = {name: v for name, v in card.facts.get("metrics", {}).items() if v is not None}
    if not metrics:
        return "Not measured: no labelled images were given, and model.json has no metrics."
    return "Of the training's own validation, as model.json says; not measured here:\n\n" + (
        to_markdown([{"metric": name, "value": value} for name, value in metrics.items()])
    )


def _explanations(rows: Sequence[Row]) -> str:
    if not rows:
        return "Not measured."
    table = [
        {
            "method": row["method"],
            "median s": row.get("seconds", row.get("problem")),
            "most s": row.get("most", ""),
            "images": row["images"],
        }
        for row in rows
    ]
    return f"Seconds per image over HTTP, one at a time, warm:\n\n{to_markdown(table)}"


def _where(card: Card) -> list[tuple[str, Any]]:
    versions = card.measured.served["versions"]
    machine = [(name, card.where[name]) for name in ("processor", "cores", "memory_gib")]
    load = ("load of other work at the start", card.where["load_average"])
    shown = {name: versions[name] for name in _VERSIONS if name in versions}
    return [*machine, load, ("versions", shown), ("threads", card.where["threads"] or "default")]


def _latency_plot(loops: Sequence[Row]) -> Plot:
    def line(name: str) -> list[tuple[float, float]]:
        return [(row["clients"], row[name]) for row in loops]

    latency = {"p50": line("p50_ms"), "p99": line("p99_ms")}
    panels = {"images/s": {"images/s": line("images_per_s")}, "latency, ms": latency}
    return Plot("clients", panels, log_x=True)


def _promise_plot(card: Card) -> Plot:
    rows = sorted(card.measured.searched, key=lambda row: row["rate"])
    p99 = [(row["rate"], row["p99_ms"]) for row in rows]
    promise = [(row["rate"], card.p99_ms) for row in rows]
    return Plot("offered requests/s", {"latency, ms": {"p99": p99, "promise": promise}})
