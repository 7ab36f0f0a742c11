"""Every defect is found once, and nothing else."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from inference.tiling import tile_regions
from inference.types import Task
from tests.training.data.doctor_tables import BOX, RING, Tables, label_of, scene
from training.data.doctor.examine import examine, warnings_of
from training.data.doctor.findings import Split
from training.data.doctor.labels import similar_labels
from training.data.doctor.read import read_sheet, task_of
from training.data.doctor.sizes import ModelCanvas
from training.data.records import Labelled, ObjectLabel, Record

TASKS = {
    "multiclass": Task.CLASSIFICATION,
    "multilabel": Task.MULTILABEL,
    "detection": Task.DETECTION,
    "segmentation": Task.SEGMENTATION,
}
CANVAS = ModelCanvas("a model", "image_size", 640, lambda size_hw: 640 / max(size_hw))


def read(tables):
    task = TASKS[tables.task]
    return {
        name: read_sheet(path, task=task, label_key="label", datastores={}).split()
        for name, path in zip(("training", "validation"), tables.write(), strict=True)
    }


def found(tables):
    canvas = CANVAS if tables.task in ("detection", "segmentation") else None
    diagnosis = examine(read(tables), task=TASKS[tables.task], canvas=canvas)
    return {finding.code: finding for finding in diagnosis.findings}


def counts(tables):
    return {code: finding.count for code, finding in found(tables).items()}


@pytest.mark.parametrize("task", TASKS)
def test_a_good_data_set_has_no_findings(tmp_path, task):
    tables = Tables(tmp_path, task)
    assert counts(tables) == {}
    assert task_of(tables.write()[0], label_key="label", datastores={}) is TASKS[task]


def copy_of_validation(tables):
    tables.train.append(dict(tables.validation[0]))


def brighter_copy_of_validation(tables):
    image = ImageEnhance.Brightness(scene(100)).enhance(1.2).resize((60, 45))
    tables.train.append(tables.picture("b.jpg", image, label_of(tables.task, "cat"), quality=60))


def twice(tables):
    tables.train.append(dict(tables.train[0]))


def smaller_copy(tables):
    row = tables.picture("s.png", scene(0).resize((60, 45)), label_of(tables.task, "cat"))
    tables.train.append(row)


def with_another_label(tables):
    tables.train.append({**tables.train[0], "label": label_of(tables.task, "dog")})


def missing(tables):
    tables.train.append({"image_url": "gone.png", "label": label_of(tables.task, "cat")})


def truncated(tables):
    row = tables.row("broken.png", "cat", seed=50)
    path = tables.folder / "broken.png"
    path.write_bytes(path.read_bytes()[:-500])
    tables.validation.append(row)


def no_json(tables):
    tables.train.append("{oops")


def misspelt(tables):
    for side, seed in ((tables.train, 200), (tables.validation, 300)):
        side += [tables.row(f"{i}.png", "dolphin", seed=i) for i in range(seed, seed + 12)]
        side.append(tables.row(f"d{seed}.png", "dolphn", seed=seed + 50))


def few(tables):
    tables.train += [tables.row(f"o{i}.png", "owl", seed=500 + i) for i in range(5)]
    tables.validation.append(tables.row("o.png", "owl", seed=510))


def imbalanced(tables):
    tables.train += [tables.row(f"i{i}.png", "cat", seed=700 + i) for i in range(110)]


def absent(tables):
    tables.train += [tables.row(f"o{i}.png", "owl", seed=500 + i) for i in range(10)]


def unknown(tables):
    tables.validation.append(tables.row("o.png", "owl", seed=510))


def too_few(tables):
    del tables.train[8:]


def sixteen_bit(tables):
    values = np.asarray(scene(50).convert("L")).astype(np.uint16) * 200
    tables.train.append(
        tables.picture("x.png", Image.fromarray(values), label_of(tables.task, "cat"))
    )


def animated(tables):
    row = tables.picture(
        "x.webp",
        scene(50),
        label_of(tables.task, "cat"),
        save_all=True,
        append_images=[scene(51)],
    )
    tables.train.append(row)


def cmyk(tables):
    image = scene(50).convert("CMYK")
    tables.train.append(tables.picture("x.jpg", image, label_of(tables.task, "cat")))


def transparent(tables):
    image = scene(50)
    image.putalpha(100)
    tables.train.append(tables.picture("x.png", image, label_of(tables.task, "cat")))


def turned(tables):
    exif = Image.Exif()
    exif[0x0112] = 6
    row = tables.picture("x.jpg", scene(50), label_of(tables.task, "cat"), exif=exif)
    tables.train.append(row)


def large(tables):
    image = scene(50).resize((4100, 4000))
    tables.train.append(tables.picture("x.jpg", image, label_of(tables.task, "cat")))


@pytest.mark.parametrize("task", ["multiclass", "segmentation"])
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (copy_of_validation, {"leakage": 1}),
        (brighter_copy_of_validation, {"leakage": 1}),
        (twice, {"duplicates": 1}),
        (smaller_copy, {"near-duplicates": 1}),
        (with_another_label, {"conflicting-labels": 1}),
        (missing, {"unreadable-images": 1}),
        (truncated, {"unreadable-images": 1}),
        (no_json, {"bad-lines": 1}),
        (few, {"few-samples": 1}),
        (absent, {"missing-classes": 1}),
        (unknown, {"missing-classes": 1}),
        (sixteen_bit, {"sixteen-bit": 1}),
        (animated, {"several-frames": 1}),
        (cmyk, {"cmyk": 1}),
        (transparent, {"transparent": 1}),
        (turned, {"rotated": 1}),
    ],
)
def test_a_defect_is_found_once_and_nothing_else(tmp_path, task, damage, expected):
    tables = Tables(tmp_path, task)
    damage(tables)
    assert counts(tables) == expected


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (large, {"large-images": 1}),
        (imbalanced, {"imbalance": 1}),
        (misspelt, {"similar-labels": 1}),
        (too_few, {"too-few-images": 1, "few-samples": 2}),
    ],
)
def test_defects_of_any_task(tmp_path, damage, expected):
    tables = Tables(tmp_path)
    damage(tables)
    assert counts(tables) == expected


def box(**changes):
    return {"label": "cat", **BOX, **changes}


def outline(ring):
    return {"label": "cat", "polygon": [ring]}


@pytest.mark.parametrize(
    ("task", "extra", "code"),
    [
        ("detection", box(bottomX=0.1), "bad-objects"),
        ("detection", box(bottomX=1.2), "bad-objects"),
        ("detection", box(bottomX=110), "bad-objects"),
        ("detection", {"label": "cat"}, "bad-objects"),
        ("segmentation", outline([0.1, 0.1, 0.3, 0.3]), "bad-objects"),
        ("segmentation", box(), "bad-objects"),
        ("detection", box(bottomX=0.11), "tiny-objects"),  # 1.2 pixels wide
        ("segmentation", outline([0.1, 0.1, 0.11, 0.1, 0.11, 0.5]), "tiny-objects"),
        ("detection", box(), "repeated-objects"),
        ("segmentation", outline(RING), "repeated-objects"),
        ("detection", box(label="dog"), "contradicting-objects"),
    ],
)
def test_bad_objects_are_named_one_by_one(tmp_path, task, extra, code):
    tables = Tables(tmp_path, task)
    tables.train[0]["label"].append(extra)
    (finding,) = found(tables).values()
    assert (finding.code, finding.count) == (code, 1)
    assert finding.examples[0].where.endswith("train.jsonl:1")
    if code == "bad-objects":
        assert "label[1]" in finding.examples[0].text


@pytest.mark.parametrize(
    ("side", "codes", "setting"),
    [(600, [], None), (36, ["small-objects"], 800), (12, ["small-objects"], None)],
)
def test_small_objects_are_answered_by_tiles_or_a_larger_canvas(side, codes, setting):
    item = ObjectLabel("cat", (0.1, 0.1, 0.1 + side / 1200, 0.1 + side / 900))
    records = tuple(
        Record(Path(f"{i}.png"), (item,), str(i), sha256=str(i), size_hw=(900, 1200))
        for i in range(10)
    )
    diagnosis = examine({"training": Split(records)}, task=Task.DETECTION, canvas=CANVAS)
    assert [finding.code for finding in diagnosis.findings] == codes
    sizes = diagnosis.sizes
    assert sizes.sides_px == pytest.approx(side, rel=1e-4)
    assert sizes.sides_canvas_px == pytest.approx(side * 640 / 1200, rel=1e-4)
    assert sizes.side == setting  # 640 · 24 / 19.2
    if codes:
        tile = tile_regions((900, 1200), grid=sizes.grid, overlap_ratio=0.25)[0]
        assert side * 640 / max(tile[2], tile[3]) >= 24


def test_images_without_a_label_and_classes_that_never_part_are_noted(tmp_path):
    tables = Tables(tmp_path, "multilabel")
    tables.train += [{**tables.row(f"n{i}.png", "cat", seed=50 + i), "label": []} for i in range(3)]
    assert counts(tables) == {"without-label": 3}
    for row in (*tables.train, *tables.validation):
        row["label"] = [*row["label"], "pet"] if "cat" in row["label"] else row["label"]
    assert counts(tables) == {"without-label": 3, "inseparable-classes": 1}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, {}),
        ({"Cat": 9, "cat": 20}, {"Cat": "cat"}),
        ({"water bottle": 30, "water_bottle": 3}, {"water_bottle": "water bottle"}),
        ({"carton": 20, "cartn": 2}, {"cartn": "carton"}),
        ({"carton": 20, "crtaon": 2}, {}),  # two edits
        ({"carton": 20, "catron": 2}, {"catron": "carton"}),
        ({"carton": 20, "carbon": 2}, {"carbon": "carton"}),
        ({"carton": 20, "carbon": 3}, {}),  # not ten times rarer
        ({"cat": 100, "car": 1}, {}),  # too short
        ({"class1": 100, "class2": 1, "class12": 1}, {}),  # numbers count
    ],
)
def test_misspelt_labels(labels, expected):
    assert similar_labels(Counter(labels)) == expected


def test_a_job_starts_with_ten_lines_at_most_and_says_where_to_see_more(tmp_path):
    tables = Tables(tmp_path)
    assert warnings(tables) == []
    tables.train.append(dict(tables.validation[0]))
    tables.train += [tables.row(f"{i}.png", f"{i}{i}", seed=40 + i) for i in range(5)]
    lines = warnings(tables)
    assert 2 < len(lines) <= 10
    assert "1 training image is in the validation data too" in lines[0]
    assert "train.jsonl:25" in lines[0]
    assert lines[-1].endswith("check-data job.yml")


def warnings(tables):
    train, validation = (Labelled(split.records, ()) for split in read(tables).values())
    return warnings_of(train, validation, task=TASKS[tables.task], job="job.yml")
