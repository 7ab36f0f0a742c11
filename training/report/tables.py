"""Small pieces of HTML that several sections are made of."""

from collections.abc import Iterable, Mapping
from html import escape

from inference.html_page import table


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """Return names and what is said about each."""
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<dl>{''.join(rows)}</dl>"


def figures(values: Mapping[str, float], *, shown: int) -> str:
    """Return named numbers as tiles, the ones after the first `shown` folded away."""
    tiles = [
        f"<div><b>{number(value)}</b>{escape(name.replace('_', ' '))}</div>"
        for name, value in values.items()
    ]
    first, rest = "".join(tiles[:shown]), "".join(tiles[shown:])
    folded = (
        f'<details><summary>{len(tiles) - shown} more</summary><div class="tiles">{rest}</div>'
        "</details>"
    )
    return f'<div class="tiles">{first}</div>{folded if rest else ""}'


def number(value: float) -> str:
    """A count as it is, anything else to three digits after the point."""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def per_label_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return one row per label, one column per number that is known of it."""
    names = list(next(iter(rows.values()), {}))
    return table(
        ["label", *(name.replace("_", " ") for name in names)],
        ([label, *(number(row[name]) for name in names)] for label, row in rows.items()),
    )


def heat_cell(count: int, share: float) -> str:
    """Return a cell whose ground is as strong as `share`, 0…1."""
    css = "" if count else ' class="none"'
    return f'<td{css} style="--share:{100 * share:.0f}%">{count}</td>'


def note(text: str) -> str:
    """Return a paragraph that says how to read what is beside it."""
    return f'<p class="note">{escape(text)}</p>'
