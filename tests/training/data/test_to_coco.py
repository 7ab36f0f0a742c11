import json

import pytest
from faster_coco_eval import COCO
from PIL import Image

from inference.errors import UsageError
from training.data.to_coco import to_coco

BOX = {"topX": 0.25, "topY": 0.5, "bottomX": 0.75, "bottomY": 1.0}
FOUND = {"box": BOX, "label": "cat", "score": 0.5}
REFERENCE = {
    "images": [{"id": 42, "file_name": "a.png"}],
    "annotations": [],
    "categories": [{"id": 7, "name": "cat"}],
}


def convert(folder, lines, reference=None):
    Image.new("RGB", (80, 60)).save(folder / "a.png")
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "predictions.jsonl").write_text(text)
    if reference:
        (folder / "coco.json").write_text(json.dumps(reference))
    to_coco(
        folder / "predictions.jsonl",
        folder / "out.json",
        images=folder,
        annotations=folder / "coco.json" if reference else None,
    )
    return json.loads((folder / "out.json").read_text())


def line(*found, filename="a.png"):
    return {"filename": filename, "boxes": list(found)}


def test_nothing_predicted(tmp_path):
    assert convert(tmp_path, []) == {"images": [], "annotations": [], "categories": []}
    assert convert(tmp_path, [line()], REFERENCE) == []


def test_predictions_alone_are_a_data_set_of_their_own(tmp_path):
    found = {**FOUND, "polygon": [[0.25, 0.5, 0.75, 0.5, 0.75, 1.0]]}
    written = convert(tmp_path, [line(found, {**FOUND, "label": "bat"})])
    assert written["images"] == [{"id": 1, "file_name": "a.png", "height": 60, "width": 80}]
    assert written["categories"] == [{"id": 1, "name": "bat"}, {"id": 2, "name": "cat"}]
    first, second = written["annotations"]
    assert first == {
        "id": 1,
        "image_id": 1,
        "category_id": 2,
        "bbox": [20.0, 30.0, 40.0, 30.0],
        "area": 1200.0,
        "iscrowd": 0,
        "score": 0.5,
        "segmentation": [[20.0, 30.0, 60.0, 30.0, 60.0, 60.0]],
    }
    assert (second["category_id"], "segmentation" in second) == (1, False)


def test_results_for_a_data_set_have_its_ids_and_its_evaluation_takes_them(tmp_path):
    (found,) = convert(tmp_path, [line(FOUND)], REFERENCE)
    assert (found["image_id"], found["category_id"]) == (42, 7)
    results = COCO(str(tmp_path / "coco.json")).loadRes(str(tmp_path / "out.json"))
    assert results.anns[1]["bbox"] == [20.0, 30.0, 40.0, 30.0]


@pytest.mark.parametrize(
    ("bad", "reference", "message"),
    [
        ("{", None, r"predictions\.jsonl:2: is no prediction of boxes .*invalid JSON"),
        ({"filename": "a.png", "probs": [1]}, None, r":2: .*boxes is missing"),
        (line({**FOUND, "score": 2}), None, r":2: .*boxes\.0\.score"),
        (line({**FOUND, "box": {"topX": 1}}), None, r":2: .*boxes\.0\.box\.topY is missing"),
        (line({**FOUND, "mask": "aGVsbG8="}), None, r":2: .*pictures.*export_as_image"),
        (line(filename="gone.png"), None, r":2: the image .*gone\.png does not exist"),
        (line({**FOUND, "label": "dog"}), REFERENCE, r":2: .*no category named 'dog'"),
        (line(filename="b.png"), REFERENCE, r":2: .*no image named 'b\.png'"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path, bad, reference, message):
    Image.new("RGB", (80, 60)).save(tmp_path / "b.png")
    with pytest.raises(UsageError, match=message) as raised:
        convert(tmp_path, [line(FOUND), bad], reference)
    assert "\n" not in str(raised.value)


def test_predictions_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*gone\.jsonl"):
        to_coco(tmp_path / "gone.jsonl", tmp_path / "out.json", images=tmp_path)
