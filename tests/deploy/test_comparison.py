"""Differences that a pencil can check."""

from typing import Any

import pytest

from deploy.comparison import compare, iou
from deploy.tally import Tally


def probabilities(**values: float) -> dict[str, Any]:
    return {"probs": list(values.values()), "labels": list(values)}


def box(left: float, right: float, label: str = "cat", score: float = 0.9) -> dict[str, Any]:
    edges = {"topX": left, "topY": 0.0, "bottomX": right, "bottomY": 1.0}
    return {"box": edges, "label": label, "score": score}


def failed(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "", "image_index": 0}}


@pytest.mark.parametrize(
    ("primary", "candidate", "agree", "top", "difference"),
    [
        (probabilities(a=1.0), probabilities(a=1.0), True, ["a", "a"], 0.0),
        (probabilities(a=0.75, b=0.25), probabilities(a=0.5, b=0.5), True, ["a", "a"], 0.25),
        (probabilities(a=0.75, b=0.25), probabilities(b=0.75, a=0.25), False, ["a", "b"], 0.5),
        (probabilities(a=0.75, b=0.25), probabilities(a=0.5, c=0.5), True, ["a", "a"], 0.5),
    ],
)
def test_probabilities_are_compared_by_label(
    primary: Any, candidate: Any, agree: bool, top: list[str], difference: float
) -> None:
    found = compare(primary, candidate)
    assert found == {"agree": agree, "top": top, "max_difference": difference}


@pytest.mark.parametrize(
    ("primary", "candidate", "unmatched", "difference"),
    [
        ([], [], [0, 0], 0.0),
        ([box(0, 1)], [], [1, 0], 0.0),
        ([], [box(0, 1), box(0, 1)], [0, 2], 0.0),
        ([box(0, 1)], [box(0, 0.5, score=0.4)], [0, 0], 0.5),  # IoU is 0.5: still the same
        ([box(0, 1)], [box(0, 0.49)], [1, 1], 0.0),
        ([box(0, 1)], [box(0, 1, label="dog")], [1, 1], 0.0),
        # The second one fits better; the first one finds no other.
        ([box(0, 1)], [box(0, 0.6, score=0.1), box(0, 0.9, score=0.9)], [0, 1], 0.0),
    ],
)
def test_boxes_match_once_at_half_their_union(
    primary: Any, candidate: Any, unmatched: list[int], difference: float
) -> None:
    found = compare({"boxes": primary}, {"boxes": candidate})
    assert found["unmatched"] == unmatched
    assert found["max_difference"] == pytest.approx(difference)
    assert found["agree"] == (unmatched == [0, 0])


def test_an_error_agrees_with_the_same_error_only() -> None:
    assert compare(failed("bad_image"), failed("bad_image"))["agree"]
    assert not compare(failed("bad_image"), failed("device_lost"))["agree"]
    assert not compare(probabilities(a=1.0), failed("bad_image"))["agree"]
    assert not compare(probabilities(a=1.0), {"boxes": []})["agree"]


def test_iou_of_an_empty_box_is_0() -> None:
    assert iou(box(0.5, 0.5)["box"], box(0.0, 1.0)["box"]) == 0.0


def test_the_tally_counts_images_and_failures() -> None:
    tally = Tally()
    assert tally.lines(dropped=0) == ["0 requests compared, 0 dropped because too many waited"]
    image = {"agree": True, "max_difference": 0.25}
    tally.add({"status": [200, 200], "ms": [1.0, 2.0], "images": [image, {"agree": False}]})
    tally.add({"status": [200, 429], "ms": [3.0, 4.0], "images": []})
    assert tally.lines(dropped=7) == [
        "2 requests compared, 7 dropped because too many waited",
        "images: 2, same top label or boxes: 50.0%, largest difference of a score: 0.25",
        "primary: 0 requests failed, p50 2.0 ms, p99 3.0 ms",
        "candidate: 1 requests failed, p50 3.0 ms, p99 4.0 ms",
    ]
