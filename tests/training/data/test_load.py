"""A job's tables: what is read, what is dropped, what ends the run."""

import json

import pytest
import yaml

from inference.errors import UsageError
from tests.training.data.tables import cats_and_dogs, write_table
from training.data.load import load_datasets
from training.job import read_job


def load(tmp_path, *, task="image_classification", **tables):
    job = {"task": task, **{f"{name}_data": {"path": str(path)} for name, path in tables.items()}}
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    return load_datasets(read_job(tmp_path / "job.yml"), seed=1)


def test_a_split_has_every_class_on_both_sides_and_depends_on_the_seed_alone(tmp_path):
    table = write_table(tmp_path, cats_and_dogs(20))
    first, second = load(tmp_path, training=table), load(tmp_path, training=table)
    assert first == second
    assert (len(first.train.records), len(first.validation.records)) == (16, 4)
    counts = first.report()["validation"]["images_per_class"]
    assert counts == {"cat": 2, "dog": 2}


def test_labels_are_sorted(tmp_path):
    assert load(tmp_path, training=write_table(tmp_path, cats_and_dogs())).labels == ("cat", "dog")


def test_bad_records_are_dropped_with_line_and_reason(tmp_path):
    rows = [*cats_and_dogs(), {"image_url": "gone.jpg", "label": "cat"}, {"label": "dog"}]
    table = write_table(tmp_path, rows)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with table.open("a") as file:
        file.write('{"image_url": "broken.png", "label": "cat"}\n{"image_url": \n')
    dropped = load(tmp_path, training=table).train.dropped
    lines = {int(one.where.rsplit(":", 1)[1]): one.reason for one in dropped}
    assert sorted(lines) == [13, 14, 15, 16]
    assert "does not exist" in lines[13]
    assert "image_url" in lines[14]
    assert "broken.png" in lines[15]
    assert "not valid JSON" in lines[16]


def test_a_strict_table_stops_at_the_first_bad_record(tmp_path):
    write_table(tmp_path, [{"image_url": "gone.jpg", "label": "cat"}, *cats_and_dogs()])
    (tmp_path / "MLTable").write_text(
        "paths:\n  - file: ./table.jsonl\n"
        "transformations:\n  - read_json_lines: {encoding: utf8, invalid_lines: error}\n"
    )
    with pytest.raises(UsageError, match=r"table\.jsonl:1: .*does not exist.*invalid_lines: drop"):
        load(tmp_path, training=tmp_path)


def test_an_unknown_transformation_is_named(tmp_path):
    write_table(tmp_path, cats_and_dogs())
    (tmp_path / "MLTable").write_text(
        "paths:\n  - file: ./table.jsonl\ntransformations:\n  - take: 5\n"
    )
    with pytest.raises(UsageError, match="take"):
        load(tmp_path, training=tmp_path)


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        (cats_and_dogs(6), None, "6 images to train on, at least 10"),
        ([{**row, "label": "cat"} for row in cats_and_dogs()], None, "at least 2 classes"),
        ([*cats_and_dogs(), {"image_url": "x.png", "label": "owl"}], None, "'owl' has 1 image"),
        (cats_and_dogs(), [{"image_url": "0.png", "label": "cat"}], "dog"),
        (cats_and_dogs(), [*cats_and_dogs(2), {"image_url": "1.png", "label": "owl"}], "owl"),
    ],
)
def test_data_that_cannot_be_trained_on(tmp_path, train, validation, message):
    tables = {"training": write_table(tmp_path, train)}
    if validation is not None:
        tables["validation"] = write_table(tmp_path, validation, "validation.jsonl")
    with pytest.raises(UsageError, match=message):
        load(tmp_path, **tables)


def test_multilabel_takes_lists_and_images_without_a_class(tmp_path):
    labels = [["cat"], ["dog", "cat"], ["dog"], []]
    rows = [{"image_url": f"{i}.png", "label": labels[i % 4]} for i in range(16)]
    data = load(
        tmp_path, task="image_classification_multilabel", training=write_table(tmp_path, rows)
    )
    assert data.labels == ("cat", "dog")
    assert data.report()["train"]["images_without_class"] > 0


def test_a_byte_order_mark_windows_lines_and_extra_keys_do_not_matter(tmp_path):
    table = write_table(tmp_path, cats_and_dogs())
    rows = [{**json.loads(line), "bbox": "null"} for line in table.read_text().splitlines()]
    text = "\r\n\r\n".join(json.dumps(row) for row in rows)
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    data = load(tmp_path, training=table)
    assert len(data.train.records) + len(data.validation.records) == 12


def test_the_hash_follows_from_labels_and_pixels_alone(tmp_path):
    rows = cats_and_dogs()
    valid = write_table(tmp_path / "v", cats_and_dogs(2))

    def content_hash(folder, rows):
        return load(
            tmp_path, training=write_table(tmp_path / folder, rows), validation=valid
        ).report()["hash"]

    first = content_hash("a", rows)
    assert content_hash("moved", rows[::-1]) == first
    assert content_hash("b", [{**rows[0], "label": "dog"}, *rows[1:]]) != first


def test_remote_images_without_a_mapping_name_line_and_option(tmp_path):
    rows = [*cats_and_dogs(), {"image_url": "AmlDatastore://store/x.jpg", "label": "cat"}]
    with pytest.raises(UsageError, match=r"table\.jsonl:13: .*--set datastores\.store=FOLDER"):
        load(tmp_path, training=write_table(tmp_path, rows))


def test_the_callers_mapping_adds_to_the_jobs(tmp_path):
    rows = [
        {**row, "image_url": f"AmlDatastore://store/{row['image_url']}"} for row in cats_and_dogs()
    ]
    write_table(tmp_path / "images", cats_and_dogs())
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "job.yml").write_text(
        "task: image_classification\ntraining_data: t.jsonl\ndatastores: {other: .}\n"
    )
    job = read_job(tmp_path / "job.yml")
    data = load_datasets(job, seed=0, datastore_map={"store": str(tmp_path / "images")})
    assert data.train.dropped == ()


def test_several_files_make_one_table(tmp_path):
    write_table(tmp_path, cats_and_dogs()[:6], "a.jsonl")
    write_table(tmp_path, cats_and_dogs()[6:], "b.jsonl")
    (tmp_path / "MLTable").write_text("paths:\n  - pattern: '*.jsonl'\n")
    data = load(tmp_path, training=tmp_path)
    assert len(data.train.records) + len(data.validation.records) == 12


def test_dropped_images_are_named_when_too_few_are_left(tmp_path):
    rows = cats_and_dogs(10)
    rows[3]["image_url"] = "gone.jpg"
    message = r"9 images to train on, .* .dropped: 1, first .*table\.jsonl:4: .*does not exist"
    with pytest.raises(UsageError, match=message):
        load(tmp_path, training=write_table(tmp_path, rows))


def test_multilabel_data_without_any_label_cannot_be_trained_on(tmp_path):
    rows = [{**row, "label": []} for row in cats_and_dogs()]
    with pytest.raises(UsageError, match=r"at least 1 class is needed .*found none"):
        load(tmp_path, task="image_classification_multilabel", training=write_table(tmp_path, rows))


def test_a_validation_table_without_usable_images_says_why(tmp_path):
    train = write_table(tmp_path, cats_and_dogs())
    validation = write_table(tmp_path, [{"image_url": "gone.jpg", "label": "cat"}], "v.jsonl")
    with pytest.raises(UsageError, match=r"v\.jsonl: no image is left to validate on: .*gone"):
        load(tmp_path, training=train, validation=validation)
