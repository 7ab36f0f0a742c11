"""What kinds of errors a detector makes, by class and by the size of objects."""

from collections.abc import Mapping, Sequence
from html import escape

from inference.html_page import table
from training.metrics.detection_evaluation import LOCATION_IOU, PREDICTION_KINDS
from training.metrics.detection_matching import SIZE_LIMITS, SIZES
from training.report.evidence import Evidence
from training.report.tables import heat_cell, note

Counts = Mapping[str, Mapping[str, int]]
_KINDS = (*PREDICTION_KINDS, "missed")
_SIDES = [int(limit**0.5) for limit in SIZE_LIMITS]
_RANGES = (f"under {_SIDES[0]} px", f"{_SIDES[0]} to {_SIDES[1]} px", f"over {_SIDES[1]} px")


def object_errors(evidence: Evidence) -> str:
    """Counts of errors by kind and class, and how many objects of each size were found."""
    if evidence.evaluation is None:
        return ""
    errors, by_size = evidence.evaluation["errors"], evidence.evaluation["errors_by_size"]
    return (
        note(
            "duplicates: on an object that another box found; wrong label: on an object of another "
            f"class; poor location: IoU with its object {LOCATION_IOU:g} to "
            f"{evidence.iou_threshold:g}; background: on nothing; missed: objects that no box "
            "found. Colour is the share of the row."
        )
        + _kinds_table(errors)
        + "<h3>By size of objects (√area)</h3>"
        + table(["size", "objects", "found", "recall", "false boxes"], recall_by_size(by_size))
    )


def recall_by_size(by_size: Counts) -> list[list[str]]:
    """Rows of size, objects, found ones, their share, and predictions that are wrong."""
    return [_size_row(f"{size}, {_RANGES[i]}", by_size[size]) for i, size in enumerate(SIZES)]


def _size_row(name: str, counts: Mapping[str, int]) -> list[str]:
    found, objects = counts["true_positives"], counts["true_positives"] + counts["missed"]
    wrong = sum(counts[kind] for kind in PREDICTION_KINDS) - found
    recall = f"{found / objects:.3f}" if objects else ""
    return [name, str(objects), str(found), recall, str(wrong)]


def _kinds_table(errors: Counts) -> str:
    head = "".join(f'<th scope="col">{kind.replace("_", " ")}</th>' for kind in ("", *_KINDS))
    total = {kind: sum(counts[kind] for counts in errors.values()) for kind in _KINDS}
    rows = "".join(
        _kinds_row(label, [counts[kind] for kind in _KINDS])
        for label, counts in {**errors, "all": total}.items()
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _kinds_row(label: str, counts: Sequence[int]) -> str:
    whole = max(1, sum(counts))
    cells = "".join(heat_cell(count, count / whole) for count in counts)
    return f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
