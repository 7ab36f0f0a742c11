"""What tiles find: objects of 12 pixels in a picture of 2000×1500, with tiles and without."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table
from torchvision.ops import box_iou

from benchmarks.timing import CONSOLE
from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from inference.types import ObjectsFound
from training.data.synthetic import TinyScene, generate_tiny_scene
from training.data.write_table import write_table

_LABEL = "ball"
_SIDES_PX = (12.0, 14.0)
_GRIDS = (None, "3x2", "6x5", "auto")
_SCORE = 0.3


def compare_tilings(folder: Path, *, pictures: int, epochs: int, scenes: int) -> None:
    """Train yolov5 on small pictures of such objects, then look for them in large ones."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _trained(folder, pictures=pictures, epochs=epochs)
    large = [_scene((1500, 2000), 200, seed=10_000 + i) for i in range(scenes)]
    files = [_written(folder / f"large-{i}.png", scene) for i, scene in enumerate(large)]
    table = Table("tiles", "recall", "precision", title=f"{scenes} × 200 objects of 12…14 px")
    with Predictor(open_model_folder(model)) as predictor:
        for grid in _GRIDS:
            settings = predictor.folder.settings.overridden(
                {"tile_grid_size": grid, "box_detections_per_img": 1000, "box_score_thresh": _SCORE}
            )
            futures = predictor.submit(files, settings=[settings] * len(files))
            found = [future.result().value for future in futures]
            recall, precision = _quality(large, found)
            table.add_row(grid or "none", f"{recall:.3f}", f"{precision:.3f}")
    CONSOLE.print(table)


def _trained(folder: Path, *, pictures: int, epochs: int) -> Path:
    rows = []
    for number in range(pictures):
        scene = _scene((400, 400), 20, seed=number)
        path = _written(folder / f"small-{number:04d}.png", scene)
        rows.append((path, [_label(box) for box in scene.boxes_xyxy / 400]))
    write_table(folder / "train", rows[: -pictures // 5])
    write_table(folder / "validation", rows[-pictures // 5 :])
    job = {
        "task": "image_object_detection",
        "experiment_name": "small-objects",
        "name": "yolov5",
        "training_data": {"path": "train"},
        "validation_data": {"path": "validation"},
        "training_parameters": {
            "model_name": "yolov5",
            "model_size": "nano",
            "pretrained": False,
            "image_size": 416,
            "number_of_epochs": epochs,
            "evaluation_frequency": epochs,
            "training_batch_size": 8,
            "optimizer": "adamw",
            "learning_rate": 0.003,
            "early_stopping": False,
            "number_of_workers": 1,
            "random_seed": 0,
        },
    }
    (folder / "job.yml").write_text(yaml.safe_dump(job), encoding="utf-8")
    runs = folder / "runs"
    model = runs / "small-objects" / "yolov5" / "best" / "model"
    if not model.exists():
        command = ["-m", "training", "run", str(folder / "job.yml"), "--runs", str(runs)]
        subprocess.run([sys.executable, *command], check=True)
    return model


def _scene(size_hw: tuple[int, int], objects: int, *, seed: int) -> TinyScene:
    return generate_tiny_scene([_LABEL] * objects, size_hw=size_hw, sides_px=_SIDES_PX, seed=seed)


def _written(path: Path, scene: TinyScene) -> Path:
    Image.fromarray(scene.image_rgb).save(path)
    return path


def _label(box: NDArray[np.float32]) -> dict[str, object]:
    x1, y1, x2, y2 = box.tolist()
    return {"label": _LABEL, "topX": x1, "topY": y1, "bottomX": x2, "bottomY": y2, "isCrowd": 0}


def _quality(scenes: list[TinyScene], found: Sequence[object]) -> tuple[float, float]:
    """Recall and precision at IoU 0.5 over all scenes."""
    hits = objects = boxes = right = 0
    for scene, one in zip(scenes, found, strict=True):
        if not isinstance(one, ObjectsFound):
            raise TypeError("the model is no detector")
        truth = torch.from_numpy(scene.boxes_xyxy)
        same = box_iou(truth, torch.from_numpy(one.detections.boxes_xyxy)) >= 0.5
        hits += int(same.any(dim=1).sum())
        right += int(same.any(dim=0).sum())
        objects += len(truth)
        boxes += len(one.detections)
    return hits / objects, right / max(1, boxes)
