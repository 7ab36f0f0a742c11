"""How two models' answers to one image differ."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

MATCH_IOU = 0.5
Answer = Mapping[str, Any]
Box = Mapping[str, float]


def compare(primary: Answer, candidate: Answer) -> dict[str, Any]:
    """Return the differences between two elements of the answers to /score.

    `agree` says that a user would see the same: both fail, or the same top label, or the same
    boxes. Elements that cannot be compared, one failed or other labels, do not agree.
    """
    errors = [_error(primary), _error(candidate)]
    if any(errors):
        return {"agree": errors[0] == errors[1], "errors": errors}
    if "boxes" in primary and "boxes" in candidate:
        return compare_boxes(primary["boxes"], candidate["boxes"])
    if "probs" in primary and "probs" in candidate:
        return compare_probabilities(primary, candidate)
    return {"agree": False, "errors": ["one model classifies, the other one detects"] * 2}


def compare_probabilities(primary: Answer, candidate: Answer) -> dict[str, Any]:
    """Compare by label; one that a model does not know has probability 0 there."""
    first = dict(zip(primary["labels"], primary["probs"], strict=True))
    second = dict(zip(candidate["labels"], candidate["probs"], strict=True))
    top = [max(first, key=first.__getitem__), max(second, key=second.__getitem__)]
    labels = [*first, *(label for label in second if label not in first)]
    return {
        "agree": top[0] == top[1],
        "top": top,
        "max_difference": max(abs(first.get(n, 0.0) - second.get(n, 0.0)) for n in labels),
    }


def compare_boxes(
    primary: Sequence[Mapping[str, Any]], candidate: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Match boxes of the same label, the best overlap first, each once, at IoU 0.5 or more.

    `max_difference` is that of the scores of matched boxes.
    """
    overlaps = sorted(_overlaps(primary, candidate), key=lambda found: -found[0])
    matched: dict[int, int] = {}
    for _, i, j in overlaps:
        if i not in matched and j not in matched.values():
            matched[i] = j
    unmatched = [len(primary) - len(matched), len(candidate) - len(matched)]
    scores = [abs(primary[i]["score"] - candidate[j]["score"]) for i, j in matched.items()]
    return {
        "agree": unmatched == [0, 0],
        "boxes": [len(primary), len(candidate)],
        "unmatched": unmatched,
        "max_difference": max(scores, default=0.0),
    }


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes {topX, topY, bottomX, bottomY}; 0 for empty ones."""
    width = min(first["bottomX"], second["bottomX"]) - max(first["topX"], second["topX"])
    height = min(first["bottomY"], second["bottomY"]) - max(first["topY"], second["topY"])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return inter / (_area(first) + _area(second) - inter)


def _overlaps(
    primary: Sequence[Mapping[str, Any]], candidate: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[float, int, int]]:
    for (i, a), (j, b) in product(enumerate(primary), enumerate(candidate)):
        if a["label"] == b["label"] and (overlap := iou(a["box"], b["box"])) >= MATCH_IOU:
            yield overlap, i, j


def _area(box: Box) -> float:
    return (box["bottomX"] - box["topX"]) * (box["bottomY"] - box["topY"])


def _error(answer: Answer) -> str | None:
    error = answer.get("error")
    return None if error is None else str(error["code"])
