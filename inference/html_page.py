"""What all HTML pages share: one file that loads nothing, in light and dark, for phones too."""

import base64
from collections.abc import Collection, Iterable, Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_QUALITY = 80  # of JPEGs
_CSS = """
:root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --soft: #f2f4f7; --line: #d5dae1;
  --error: #c62828; --warning: #b26a00; --note: #1565c0; --s0: #3b78c2; --s1: #e0a03c; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171b; --fg: #e4e7eb; --soft: #1f242a;
  --line: #3a424c; --error: #ff7b72; --warning: #f0b03f; --note: #79b8ff; --s0: #6aa5ea;
  --s1: #e6b35c; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif;
  max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
figure { margin: 0; max-width: 240px; } .pic { position: relative; line-height: 0;
  width: fit-content; }
.pic img { max-width: 100%; } .pic svg { position: absolute; inset: 0; width: 100%; height: 100%; }
figcaption { font-size: .75rem; overflow-wrap: anywhere; }
.pics { display: flex; flex-wrap: wrap; gap: .8rem; }
svg text { fill: var(--fg); font-size: 12px; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--error); }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .15rem .5rem;
  text-align: right; } details { margin: .3rem 0; } li { overflow-wrap: anywhere; }
"""


def document(title: str, body: Iterable[str], *, css: str = "") -> str:
    """Return a whole page; `title` is text, `body` HTML, `css` what this page has of its own."""
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title><style>{_CSS}{css}</style>",
            *body,
        ]
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, prose: Collection[str] = ()
) -> str:
    """Return a table; the first cell of each row is its heading, the others are numbers.

    `prose` are the columns, by their heads, that hold words.
    """
    styles = [' class="prose"' if name in prose else "" for name in head]
    header = "".join(
        f'<th scope="col"{css}>{escape(name)}</th>' for css, name in zip(styles, head, strict=True)
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td{css}>{escape(c)}</td>" for css, c in zip(styles[1:], cells, strict=True))
        + "</tr>"
        for first, *cells in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{header}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def thumbnail(image_rgb: NDArray[np.uint8], *, side: int) -> tuple[str, tuple[int, int]]:
    """Return an <img> that holds the image itself, at most `side` pixels long, and its (w, h)."""
    image = Image.fromarray(image_rgb)
    image.thumbnail((side, side))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{data}">', image.size
