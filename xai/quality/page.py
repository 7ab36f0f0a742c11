"""The page of measured explanations: one HTML file that loads nothing, light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from inference.html_page import document, table
from inference.types import CLASSIFICATION_TASKS
from xai.quality.charts import Line, legend, line_chart
from xai.quality.evaluate import Quality
from xai.quality.measures import MEASURES
from xai.quality.road import FRACTIONS
from xai.quality.show import table_of, title

_CSS = """
:root { --c0: #2f6fb7; --c1: #d9822b; --c2: #2a9d63; --c3: #b23a8e; --c4: #7a5fc9; --c5: #a08a00;
  --c6: #c0392b; --c7: #3a9fb5; }
@media (prefers-color-scheme: dark) { :root { --c0: #6aa5ea; --c1: #f0a860; --c2: #5fd39a;
  --c3: #e889c7; --c4: #ab98f0; --c5: #d9c64a; --c6: #ff8577; --c7: #6fd0e4; } }
.wide { overflow-x: auto; } tbody th { text-align: left; font-weight: normal; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } figure { max-width: none; }
figcaption { font-size: .85rem; max-width: 340px; }
.axis { stroke: var(--line); fill: none; }
polyline { fill: none; stroke-width: 2; } polyline.reference { stroke-dasharray: 5 4; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; }
"""

_CURVES = {
    "insertion": ("Insertion", "share of the pixels shown, most important first"),
    "deletion": ("Deletion", "share of the pixels at the mean colour, most important first"),
    "road_most": ("ROAD", "share of the pixels guessed, most important first: should fall"),
    "road_least": ("ROAD", "share of the pixels guessed, least important first: should stay"),
}
_OF_CLASSES = "Mean probability of the explained class"
_OF_OBJECTS = "Mean overlap with the explained box times the score of its class"


def page_html(quality: Quality, *, model: str) -> str:
    """Return the page: the table, the curves, and what each number means."""
    heading = f"Explanations of {model}"
    facts = f"{quality.task.value} · {quality.images} images · seed {quality.seed}"
    return document(
        heading,
        [
            f"<h1>{escape(heading)}</h1><p>{escape(facts)}</p>",
            table(*table_of(quality, digits=3)),
            "<p>Mean ± standard error over the images. Rows in brackets know nothing of the "
            "network: a method that is no better than they are shows nothing.</p>",
            *_charts(quality),
            _meanings(quality),
            _left_out(quality.left_out),
        ],
        css=_CSS,
    )


def _charts(quality: Quality) -> Iterator[str]:
    """Curves of what the network says of the explained class or object."""
    yield f"<h2>{_OF_CLASSES if quality.task in CLASSIFICATION_TASKS else _OF_OBJECTS}</h2>"
    yield legend([(row.method, row.is_reference) for row in quality.rows])
    yield '<div class="charts">'
    for name in quality.rows[0].curves:
        chart, axis = _CURVES[name]
        lines = []
        for row in quality.rows:
            values = row.curves[name]
            places = FRACTIONS if name.startswith("road") else _even(len(values))
            lines.append(Line(places, values, row.is_reference))
        yield f"<figure>{line_chart(lines)}<figcaption>{chart}: {axis}</figcaption></figure>"
    yield "</div>"


def _even(count: int) -> list[float]:
    return [place / (count - 1) for place in range(count)]


def _meanings(quality: Quality) -> str:
    used = {name for row in quality.rows for name in row.means}
    items = "".join(
        f"<dt>{escape(title(measure))}</dt><dd>{escape(measure.about)}</dd>"
        for measure in MEASURES
        if measure.name in used
    )
    return f"<h2>What the numbers mean</h2><dl>{items}</dl>"


def _left_out(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>Left out</h2><ul>{items}</ul>"
