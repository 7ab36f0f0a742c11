"""Charts as inline SVG, coloured by the page's CSS classes: c0…c7 for series, faint, guide."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

Point = tuple[float, float]
COLORS = 8  # series that can be told apart
_WIDTH, _HEIGHT = 460, 300  # pixels; the page scales them
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 10, 44
_TICKS = 5  # about as many per axis
_DOT = 4.5


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, and from where to where; `is_log` needs positive ends.

    min_step: how near to each other two ticks may be; 1 for what is counted. names: what 0, 1, 2 …
    stand for, on an axis without numbers.
    """

    label: str
    low: float
    high: float
    is_log: bool = False
    min_step: float = 0.0
    names: tuple[str, ...] = ()

    def place(self, value: float) -> float:
        """Where a value lies between the ends, 0…1; both ends in one are its middle."""
        low, high, at = (self._scaled(v) for v in (self.low, self.high, value))
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[float]:
        """Round values between the ends: powers of ten of a logarithmic axis, else 1, 2 or 5."""
        if self.names:
            return [float(place) for place in range(len(self.names))]
        if self.high <= self.low:
            return [self.low]
        if self.is_log:
            ends = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            decades = [10.0**power for power in range(ends[0], ends[1] + 1)]
            return decades if len(decades) > 1 else [self.low, self.high]
        step = max(self.min_step, _round_step((self.high - self.low) / _TICKS))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]

    def text(self, tick: float) -> str:
        """What is written at a tick."""
        return self.names[int(tick)] if self.names else short(tick)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


class Mark(Protocol):
    """Something drawn between the axes."""

    def svg(self, x: Axis, y: Axis) -> str:
        """Return its SVG."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; `name` shows when it is pointed at."""

    points: Sequence[Point]
    css: str
    name: str = ""

    def svg(self, x: Axis, y: Axis) -> str:
        """A path; a single point is a dot."""
        if len(self.points) == 1:
            return Dots(self.points, self.css, (self.name,)).svg(x, y)
        commands = path(self.points, x, y)
        return f'<path class="line {self.css}" d="{commands}">{_title(self.name)}</path>'


@dataclass(frozen=True, slots=True)
class Dots:
    """Points with a name each."""

    points: Sequence[Point]
    css: str
    names: Sequence[str]

    def svg(self, x: Axis, y: Axis) -> str:
        """Circles."""
        return "".join(
            f'<circle class="dot {self.css}" cx="{left:.1f}" cy="{top:.1f}" r="{_DOT}">'
            f"{_title(name)}</circle>"
            for (left, top), name in zip(_placed(self.points, x, y), self.names, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars from zero up; column i spans edges i and i + 1 of the x axis."""

    edges: Sequence[float]
    heights: Sequence[float]
    css: str
    names: Sequence[str]

    def svg(self, x: Axis, y: Axis) -> str:
        """Rectangles."""
        return "".join(self._rects(x, y))

    def _rects(self, x: Axis, y: Axis) -> Iterator[str]:
        for i, (height, name) in enumerate(zip(self.heights, self.names, strict=True)):
            ends = [(self.edges[i], height), (self.edges[i + 1], max(0.0, y.low))]
            (left, top), (right, bottom) = _placed(ends, x, y)
            yield (
                f'<rect class="column {self.css}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{right - left:.1f}" height="{bottom - top:.1f}">{_title(name)}</rect>'
            )


def chart(x: Axis, y: Axis, marks: Sequence[Mark], *, title: str) -> str:
    """Return a chart with its title, in the order of its marks: the last one lies on top."""
    drawn = "".join(mark.svg(x, y) for mark in marks)
    return (
        f'<figure class="chart"><h3>{escape(title)}</h3>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(_frame(x, y))}{drawn}</svg></figure>"
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return a line of (css class, text) under a chart."""
    parts = (f'<span class="{css}"><i>■</i> {escape(text)}</span>' for css, text in entries)
    return f'<p class="legend">{" ".join(parts)}</p>'


def path(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Points as the commands of an SVG path, to a tenth of a pixel."""
    return "M" + "L".join(f"{left:.1f} {top:.1f}" for left, top in _placed(points, x, y))


def short(value: float) -> str:
    """A number as a person wants to read it: four digits at most, no needless zeros."""
    return f"{value:.4g}"


def _placed(points: Sequence[Point], x: Axis, y: Axis) -> list[Point]:
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    return [(_LEFT + wide * x.place(a), _TOP + high * (1 - y.place(b))) for a, b in points]


def _frame(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in x.ticks():
        ((left, _),) = _placed([(value, y.low)], x, y)
        yield f'<path class="grid" d="M{left:.1f} {_TOP}V{bottom}"/>'
        text = escape(x.text(value))
        yield f'<text x="{left:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>'
    for value in y.ticks():
        ((_, top),) = _placed([(x.low, value)], x, y)
        yield f'<path class="grid" d="M{_LEFT} {top:.1f}H{right}"/>'
        yield f'<text x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{short(value)}</text>'
    yield (
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x.label)}</text>"
    )
    middle = (_TOP + bottom) / 2
    yield (
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
