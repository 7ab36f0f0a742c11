"""`python -m xai`: pictures, tables, and what is said about mistakes."""

import json
import sys
from base64 import b64decode

import pytest

from inference.image import decode_image
from inference.model_folder import open_model_folder
from inference.schema import XaiParameters
from inference.types import Task
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder, write_model_folder
from xai.__main__ import main
from xai.explainer import explanation_body, load_explainer

PHOTO = encoded(1, size_wh=(60, 48))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A classifier, a detector, and one that finds nothing."""
    folder = tmp_path_factory.mktemp("models")
    write_model_folder(folder / "classifier", image_size=32, resize_size=36, crop_size=32)
    for name, threshold in {"detector": 0.002, "blind": 1.0}.items():
        write_detector_folder(
            folder / name,
            family="yolov5",
            settings={
                "img_size": 64, "box_score_thresh": threshold, "box_detections_per_img": 4,
            },
            options={"model_size": "nano"},
        )  # fmt: skip
    return folder


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with a photo; return its exit code and what it printed."""
    (tmp_path / "photo.png").write_bytes(PHOTO)
    (tmp_path / "broken.png").write_bytes(PHOTO[:100])
    (tmp_path / "photos.jsonl").write_text('{"image_url": "photo.png", "label": "a"}\n')
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["xai", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr()

    return run


def pictures_of(model, **values):
    folder = load_explainer(model)
    parameters = XaiParameters(**values)
    body = explanation_body(
        folder.explain(decode_image(PHOTO), parameters), parameters, Task.MULTILABEL
    )
    return [b64decode(picture) for picture in body["visualizations"] if picture]


def test_the_picture_is_the_one_that_a_server_sends(call, models, tmp_path):
    code, printed = call(
        "explain", "photo.png", "--model", models / "classifier", "--out", "heat.png",
        "--method", "xrai", "--n-steps", 4, "--device", "cpu",
    )  # fmt: skip
    assert code == 0, printed.err
    (picture,) = pictures_of(open_model_folder(models / "classifier"), n_steps=4)
    assert (tmp_path / "heat.png").read_bytes() == picture
    assert ": heat.png\nexplained in " in printed.out


def test_several_classes_become_numbered_pictures_in_their_order(call, models, tmp_path):
    code, printed = call(
        "explain", "photo.png", "--model", models / "classifier", "--out", "heat.png",
        "--method", "guided_gradcam", "--class", "c", "--class", "a",
    )  # fmt: skip
    assert code == 0, printed.err
    assert [line.split()[0] for line in printed.out.splitlines()] == ["c", "a", "explained"]
    assert sorted(path.name for path in tmp_path.glob("heat*")) == ["heat-1.png", "heat-2.png"]


def test_boxes_of_detectors_can_be_chosen(call, models, tmp_path):
    arguments = ("explain", "photo.png", "--model", models / "detector", "--out", "heat.png")
    code, printed = call(*arguments, "--box", 1)
    assert code == 0, printed.err
    assert printed.out.startswith("box 1, ")
    assert (tmp_path / "heat.png").exists()


def test_nothing_to_explain_is_exit_code_1(call, models, tmp_path):
    code, printed = call("explain", "photo.png", "--model", models / "blind", "--out", "heat.png")
    assert (code, printed.out) == (1, "the model found nothing to explain\n")
    assert not (tmp_path / "heat.png").exists()


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("classifier", ["none.png"], "cannot read none.png: No such file or directory"),
        ("classifier", ["empty"], "cannot read empty: Is a directory"),
        ("classifier", ["broken.png"], "broken.png: the image cannot be decoded"),
        ("classifier", ["photo.png", "--out", "no/heat.png"], "folder no for the picture does not"),
        ("classifier", ["photo.png", "--out", "heat.jpg"], "--out must name a .png file"),
        ("classifier", ["photo.png", "--method", "xria"], "did you mean 'xrai'? (allowed: "),
        ("classifier", ["photo.png", "--method", "odam"], "--method: unknown method 'odam'"),
        ("detector", ["photo.png", "--method", "gradcam"], "unknown method 'gradcam'"),
        ("classifier", ["photo.png", "--class", "d"], "unknown label in target_classes 'd'"),
        ("classifier", ["photo.png", "--class", "a", "--class", "a"], "must name each only once"),
        ("classifier", ["photo.png", "--box", "0"], "--box is for detectors, which "),
        ("detector", ["photo.png", "--class", "a"], "--class is for classifiers, which "),
        ("detector", ["photo.png", "--box", "99"], "xai_parameters.boxes must be in 0…"),
        ("detector", ["photo.png", "--n-steps", "9"], "--n-steps is for classifiers, which "),
        ("classifier", ["photo.png", "--n-steps", "many"], "n_steps: must be an integer 2…500"),
        ("classifier", ["photo.png", "--device", "gpu"], "device"),
    ],
)
def test_mistakes_in_explain_are_one_line_and_exit_code_2(call, models, model, arguments, message):
    code, printed = call("explain", "--model", models / model, "--out", "heat.png", *arguments)
    assert code == 2
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_evaluate_prints_a_table_and_writes_numbers_and_a_page(call, models, tmp_path):
    code, printed = call(
        "evaluate", "--model", models / "classifier", "--data", "photos.jsonl",
        "--method", "guided_gradcam", "--out", "deep/quality",
    )  # fmt: skip
    assert code == 0, printed.err
    assert "method         insertion ↑ deletion ↓ ROAD ↑ infidelity ↓ unlearned ↓" in printed.out
    assert max(map(len, printed.out.splitlines()[:5])) <= 80
    written = json.loads((tmp_path / "deep/quality/quality.json").read_text())
    assert [row["method"] for row in written["rows"]] == ["guided_gradcam", "random", "edges"]
    assert "guided_gradcam" in (tmp_path / "deep/quality/quality.html").read_text()


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("classifier", ["--data", "none.jsonl"], "cannot read none.jsonl"),
        ("classifier", ["--data", "empty"], "no images in folder empty"),
        ("classifier", ["--data", "photos.jsonl", "--method", "odam"], "unknown method 'odam'"),
        ("detector", ["--data", "empty"], "give a .jsonl file with boxes"),
        ("detector", ["--data", "photos.jsonl"], "photos.jsonl:1: label must be a list"),
        ("detector", ["--data", "photos.jsonl", "--n-steps", "5"], "--n-steps is for classifiers"),
        ("classifier", ["--data", "photos.jsonl", "--out", "photo.png"], "File exists"),
    ],
)
def test_mistakes_in_evaluate_are_one_line_and_exit_code_2(call, models, model, arguments, message):
    code, printed = call("evaluate", "--model", models / model, *arguments)
    assert code == 2
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
