"""Which class was taken for which other."""

from collections.abc import Sequence
from html import escape

from inference.html_page import table
from inference.types import Task
from training.report.evidence import Evidence
from training.report.tables import heat_cell, note

MOST_CLASSES = 30  # of a matrix that can still be read
_PAIRS = 30


def confusion(evidence: Evidence) -> str:
    """A matrix; of many classes the most confused pairs; of multi-label data counts per class."""
    if evidence.evaluation is None:
        return ""
    labels, matrix = evidence.evaluation["labels"], evidence.evaluation["confusion_matrix"]
    if evidence.task is Task.MULTILABEL:
        return _counts(labels, matrix)
    return _matrix(labels, matrix) if len(labels) <= MOST_CLASSES else _pairs(labels, matrix)


def _matrix(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    head = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(heat_cell(count, count / max(1, sum(counts))) for count in counts)
        + "</tr>"
        for label, counts in zip(labels, matrix, strict=True)
    )
    return (
        note("Rows are the truth, columns what the model said; colour is the share of the row.")
        + f'<div class="wide"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def most_confused(
    labels: Sequence[str], matrix: Sequence[Sequence[int]]
) -> list[tuple[str, str, int, float]]:
    """(truth, prediction, images, share of the truth's images) of each confusion, most first."""
    pairs = [
        (labels[row], labels[column], count, count / sum(counts))
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], -pair[3], pair[0], pair[1]))


def _pairs(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    rows = [
        [truth, said, str(count), f"{share:.0%}"]
        for truth, said, count, share in most_confused(labels, matrix)[:_PAIRS]
    ]
    return note(
        f"The most frequent confusions; a matrix is drawn for up to {MOST_CLASSES} classes."
    ) + table(["truth", "prediction", "images", "share of the truth's"], rows)


def _counts(labels: Sequence[str], matrices: Sequence[Sequence[Sequence[int]]]) -> str:
    rows = [
        [label, *map(str, (true, false, missed, rest))]
        for label, ((rest, false), (missed, true)) in zip(labels, matrices, strict=True)
    ]
    head = ["label", "found", "wrongly given", "missed", "rightly not given"]
    return note("Images per label, at a probability of 0.5.") + table(head, rows)
