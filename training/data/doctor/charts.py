"""Bars as inline SVG, coloured by the page's CSS classes."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

_ROW, _LABEL, _WIDTH = 22, 180, 640  # pixels: height of a class, width of its name, and of all
_MOST_CLASSES = 100
_BIN, _HEIGHT = 44, 160  # pixels: width of a bar, height of the tallest
_LETTERS = 24


def class_bars(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Bars of classes, most frequent first, one per split: counts[split][class]."""
    totals = {
        name: sum(c.get(name, 0) for c in counts.values()) for c in counts.values() for name in c
    }
    names = sorted(totals, key=lambda name: (-totals[name], name))
    largest = max([1, *(count for c in counts.values() for count in c.values())])
    rows = [
        _class_row(at, name, [c.get(name, 0) for c in counts.values()], largest)
        for at, name in enumerate(names[:_MOST_CLASSES])
    ]
    legend = ", ".join(f'<b class="t{i}">■</b> {escape(split)}' for i, split in enumerate(counts))
    more = f", {len(names) - _MOST_CLASSES} more classes" if len(names) > _MOST_CLASSES else ""
    return f"<p>{legend}{more}</p>" + _svg(_WIDTH, _ROW * len(rows), rows)


def _class_row(at: int, name: str, counts: Sequence[int], largest: int) -> str:
    top, thick = at * _ROW, (_ROW - 4) / len(counts)
    short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
    bars = [
        f'<rect class="s{i}" x="{_LABEL}" y="{top + 2 + i * thick:.1f}" height="{thick:.1f}" '
        f'width="{(_WIDTH - _LABEL - 100) * count / largest:.1f}"/>'
        for i, count in enumerate(counts)
    ]
    numbers = " / ".join(map(str, counts))
    end = _LABEL + (_WIDTH - _LABEL - 100) * max(counts) / largest + 6
    return (
        f'<text x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{escape(short)}</text>'
        + "".join(bars)
        + f'<text x="{end:.1f}" y="{top + 15}">{numbers}</text>'
    )


def size_bars(sides_px: NDArray[np.float32], *, mark_px: float) -> str:
    """Histogram over octaves of pixels; bars that end below `mark_px` stand out."""
    octaves = np.floor(np.log2(np.maximum(sides_px, 1))).astype(int)
    low, high = int(octaves.min()), int(octaves.max())
    counts = np.bincount(octaves - low, minlength=high - low + 1).tolist()
    bars = []
    for at, count in enumerate(counts):
        start = 2 ** (low + at)
        tall = _HEIGHT * count / max(counts)
        left = at * _BIN
        small = "s2" if start < mark_px else "s0"
        bars.append(
            f'<rect class="{small}" x="{left + 2}" y="{20 + _HEIGHT - tall:.1f}" '
            f'width="{_BIN - 4}" height="{tall:.1f}"/>'
            f'<text x="{left + _BIN / 2}" y="{14 + _HEIGHT - tall:.1f}" text-anchor="middle">'
            f"{count}</text>"
            f'<text x="{left}" y="{_HEIGHT + 36}">{start}</text>'
        )
    return _svg(_BIN * len(counts) + 40, _HEIGHT + 44, bars)


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg width="{width}" height="{height}">{"".join(parts)}</svg>'
