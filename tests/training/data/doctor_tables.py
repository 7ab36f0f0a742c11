"""Data sets without any defect, to which tests add defects one by one."""

import json
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

BOX = {"topX": 0.1, "topY": 0.2, "bottomX": 0.6, "bottomY": 0.7}
RING = [0.1, 0.2, 0.6, 0.2, 0.6, 0.7]


def scene(seed, size_wh=(120, 90)):
    """A picture with structure of every size; another seed is another picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 200, (6, 8, 3), np.uint8)).resize(size_wh)
    fine = Image.fromarray(rng.integers(40, 200, (30, 40, 3), np.uint8)).resize(size_wh)
    return Image.blend(coarse, fine, 0.3)


@cache
def png(seed):
    """The file of a scene."""
    buffer = BytesIO()
    scene(seed).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def label_of(task, name):
    """The JSON label of an image of one class."""
    return {
        "multiclass": name,
        "multilabel": [name],
        "detection": [{"label": name, **BOX}],
        "segmentation": [{"label": name, "polygon": [RING]}],
    }[task]


class Tables:
    """Rows of training (24) and validation (8), cats and dogs, before they are written."""

    def __init__(self, folder: Path, task: str = "multiclass") -> None:
        self.folder, self.task = folder, task
        self.train = [self.row(f"t{i}.png", ("cat", "dog")[i % 2], seed=i) for i in range(24)]
        self.validation = [
            self.row(f"v{i}.png", ("cat", "dog")[i % 2], seed=100 + i) for i in range(8)
        ]

    def row(self, name, label, *, seed):
        """A row, and its image on disk."""
        (self.folder / name).write_bytes(png(seed))
        return {"image_url": name, "label": label_of(self.task, label)}

    def picture(self, name, image, label, **options):
        """A row of a given image."""
        image.save(self.folder / name, **options)
        return {"image_url": name, "label": label}

    def write(self):
        """Write both tables; their paths."""
        paths = self.folder / "train.jsonl", self.folder / "validation.jsonl"
        for path, rows in zip(paths, (self.train, self.validation), strict=True):
            lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
            path.write_text("\n".join(lines), encoding="utf-8")
        return paths
