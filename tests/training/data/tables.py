"""Tiny tables of labelled images for tests."""

import json
from pathlib import Path

from PIL import Image


def write_table(folder: Path, rows: list[dict[str, object]], name: str = "table.jsonl") -> Path:
    """Write rows as JSONL, and every image with a plain relative path that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        url = str(row.get("image_url", ""))
        if url.endswith(".png") and not (folder / url).exists():
            Image.new("RGB", (8, 8), (len(url) * 20 % 256, 0, 0)).save(folder / url)
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def cats_and_dogs(count: int = 12) -> list[dict[str, object]]:
    """As many cats as dogs."""
    return [{"image_url": f"{i}.png", "label": ("cat", "dog")[i % 2]} for i in range(count)]
