"""One self-contained HTML page of a diagnosis: nothing is loaded from anywhere, light and dark."""

from collections.abc import Iterator
from html import escape

from inference.html_page import document
from inference.tiling import VISIBLE_PX
from inference.types import Task
from training.data.doctor.charts import class_bars, size_bars
from training.data.doctor.examine import co_occurrence
from training.data.doctor.findings import Diagnosis, Example, Finding
from training.data.doctor.labels import sample_counts
from training.data.doctor.show import short_place, summary_of
from training.data.doctor.sizes import ObjectSizes, percentiles
from training.data.doctor.thumbnails import figure

_PICTURES = 8  # examples of a finding that are shown
_LINES = 50  # examples of a finding that are listed
_CLASSES = 30  # of the table of classes that occur together
_CSS = """
section { background: var(--soft); border-left: 5px solid var(--line); border-radius: 4px;
  padding: .6rem 1rem; margin: 1rem 0; overflow-x: auto; }
section h3 { font-size: 1rem; margin: .2rem 0; } section p { margin: .3rem 0; }
.error { border-color: var(--error); } .error b { color: var(--error); }
.warning { border-color: var(--warning); } .warning b { color: var(--warning); }
.note { border-color: var(--note); } .note b { color: var(--note); }
.pair { display: flex; gap: .4rem; border: 1px solid var(--line); padding: .4rem; }
.box { fill: none; stroke: #ff2d95; stroke-width: 2; }
.t0 { color: var(--s0); } .t1 { color: var(--s1); }
"""


def page_html(diagnosis: Diagnosis, *, title: str) -> str:
    """Return the page: findings with pictures, classes, sizes of objects."""
    return document(
        f"Data: {title}",
        [
            f"<h1>{escape(title)}</h1><p>{_facts(diagnosis)}</p>",
            *(_section(finding) for finding in diagnosis.findings),
            *_classes(diagnosis),
            _sizes(diagnosis.sizes) if diagnosis.sizes is not None else "",
        ],
        css=_CSS,
    )


def _facts(diagnosis: Diagnosis) -> str:
    images = ", ".join(f"{name} {len(s.records)}" for name, s in diagnosis.splits.items())
    return escape(f"{diagnosis.task.value} · images for {images} · {summary_of(diagnosis)}")


def _section(finding: Finding) -> str:
    shown = [example for example in finding.examples if example.pictures][:_PICTURES]
    pictures = "".join(_pictures(example) for example in shown)
    return (
        f'<section class="{finding.severity}"><h3><b>{finding.severity}</b> '
        f"{escape(finding.title)}</h3><p>{escape(finding.advice)}</p>"
        f'<div class="pics">{pictures}</div>{_listed(finding)}</section>'
    )


def _pictures(example: Example) -> str:
    places = [short_place(picture.where) for picture in example.pictures]
    captions = [f"{places[0]}: {example.text}", *places[1:]]
    figures = [figure(p, c) for p, c in zip(example.pictures, captions, strict=True)]
    inside = "".join(figures)
    return f'<div class="pair">{inside}</div>' if len(figures) > 1 else inside


def _listed(finding: Finding) -> str:
    if not finding.examples:
        return ""
    items = "".join(f"<li>{escape(_line(one))}</li>" for one in finding.examples[:_LINES])
    more = len(finding.examples) - _LINES
    rest = f"<li>and {more} more, see --json</li>" if more > 0 else ""
    is_open = "" if finding.examples[0].pictures else " open"
    head = f"<details{is_open}><summary>{finding.count} in all</summary>"
    return f"{head}<ul>{items}{rest}</ul></details>"


def _line(example: Example) -> str:
    place = f"{short_place(example.where)}: " if example.where else ""
    return f"{place}{example.text}"


def _classes(diagnosis: Diagnosis) -> Iterator[str]:
    counts = {
        name: sample_counts(split.records, task=diagnosis.task)
        for name, split in diagnosis.splits.items()
    }
    yield f"<h2>Classes</h2>{class_bars(counts)}"
    if diagnosis.task is Task.MULTILABEL:
        yield _together(diagnosis)


def _together(diagnosis: Diagnosis) -> str:
    pairs = co_occurrence(diagnosis.splits)
    names = sorted({name for pair in pairs for name in pair})[:_CLASSES]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{escape(a)}</th>"
        + "".join(f"<td>{pairs[min(a, b), max(a, b)] or ''}</td>" for b in names)
        for a in names
    )
    return f"<h2>Images that show both</h2><table><tr><th></th>{head}</tr>{rows}</table>"


def _sizes(sizes: ObjectSizes) -> str:
    canvas = f"{sizes.canvas.model_name}, {sizes.canvas.setting} {sizes.canvas.side}"
    head = "".join(f"<th>{name}</th>" for name in percentiles(sizes.sides_px))
    kinds = {
        "pixels": sizes.sides_px,
        "share of the image's side": sizes.sides_ratio,
        "pixels on the canvas": sizes.sides_canvas_px,
    }
    rows = "".join(
        f"<tr><th>{escape(kind)}</th>"
        + "".join(f"<td>{value:.3g}</td>" for value in percentiles(values).values())
        for kind, values in kinds.items()
    )
    return (
        f"<h2>Sides of objects (√area)</h2><table><tr><th></th>{head}</tr>{rows}</table>"
        f"<p>On the canvas of {escape(canvas)}, in pixels; under {VISIBLE_PX:g} they are hard to "
        f"find:</p>{size_bars(sizes.sides_canvas_px, mark_px=VISIBLE_PX)}"
    )
