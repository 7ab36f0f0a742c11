"""Lines as inline SVG, coloured by the page's CSS variables --c0 … --c7."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = 8
_WIDTH, _HEIGHT = 320, 220  # pixels, of the area of the chart
_LEFT, _TOP, _BOTTOM = 34, 8, 24
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one line, both axes in 0…1; references are dashed."""

    places: Sequence[float]
    values: Sequence[float]
    is_reference: bool


def line_chart(lines: Sequence[Line]) -> str:
    """Draw lines over a grid from 0 to 1."""
    return (
        f'<svg width="{_LEFT + _WIDTH + 12}" height="{_TOP + _HEIGHT + _BOTTOM}" role="img">'
        + "".join(map(_tick, _TICKS))
        + "".join(_polyline(line, _colour(place)) for place, line in enumerate(lines))
        + "</svg>"
    )


def legend(names: Sequence[tuple[str, bool]]) -> str:
    """Names of the lines of all charts, with whether they are references."""
    items = [
        f'<b style="color:{_colour(place)}">{"┅" if is_reference else "━"}</b> {escape(name)}'
        for place, (name, is_reference) in enumerate(names)
    ]
    return f"<p>{' &nbsp; '.join(items)}</p>"


def _tick(value: float) -> str:
    x, y = _point(value, value)
    return (
        f'<path class="axis" d="M{_LEFT} {y:.1f}h{_WIDTH}M{x:.1f} {_TOP}v{_HEIGHT}"/>'
        f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{value:g}</text>'
    )


def _polyline(line: Line, colour: str) -> str:
    pairs = (_point(*pair) for pair in zip(line.places, line.values, strict=True))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
    kind = ' class="reference"' if line.is_reference else ""
    return f'<polyline{kind} style="stroke:{colour}" points="{points}"/>'


def _point(place: float, value: float) -> tuple[float, float]:
    return _LEFT + _WIDTH * place, _TOP + _HEIGHT * (1 - value)


def _colour(place: int) -> str:
    return f"var(--c{place % _COLOURS})"
