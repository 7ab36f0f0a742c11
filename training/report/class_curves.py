"""ROC and precision-recall curves, one class against the rest, at every threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.report.evidence import Evidence
from training.report.plots import COLORS, Axis, Line, Mark, Point, chart, legend
from training.report.tables import note

MICRO = "micro average"
MOST_CURVES = 40  # more are neither told apart nor small
RECALL, PRECISION = Axis("recall", 0, 1), Axis("precision", 0, 1)
_FALSE, _TRUE = Axis("false positive rate", 0, 1), Axis("true positive rate", 0, 1)


def class_curves(evidence: Evidence) -> str:
    """Both charts side by side, with the area under each curve."""
    if evidence.evaluation is None:
        return ""
    roc = _curves(evidence.evaluation, "roc")
    precise = _curves(evidence.evaluation, "precision_recall")
    aucs = {label: roc_area(points) for label, points in roc.items()}
    precisions = {label: average_precision(points) for label, points in precise.items()}
    chance = Line([(0, 0), (1, 1)], "guide", "chance")
    charts = [
        curve_chart("ROC", roc, aucs, axes=(_FALSE, _TRUE), unit="AUC", guides=[chance]),
        curve_chart("Precision and recall", precise, precisions, axes=(RECALL, PRECISION)),
    ]
    return f'<div class="charts">{"".join(charts)}</div>' if any(charts) else ""


def roc_area(points: Sequence[Point]) -> float:
    """Area under (x, y) by trapezoids."""
    x, y = np.array(points).T
    return float(np.trapezoid(y, x))


def average_precision(points: Sequence[Point]) -> float:
    """Sum over (recall, precision) of each gain in recall times the precision that it came with.

    The points go from recall 1 down to 0, as scikit-learn orders them.
    """
    recall, precision = np.array(points).T
    return float(-np.sum(np.diff(recall) * precision[:-1]))


def curve_chart(
    title: str,
    curves: Mapping[str, Sequence[Point]],
    areas: Mapping[str, float],
    *,
    axes: tuple[Axis, Axis],
    unit: str = "AP",
    guides: Sequence[Mark] = (),
) -> str:
    """One curve per class with the smallest areas, in colour or grey; "" without any curve."""
    if not curves:
        return ""
    worst = sorted((name for name in curves if name != MICRO), key=lambda name: areas[name])
    drawn = worst[:MOST_CURVES]
    coloured = [name for name in curves if name in drawn[:COLORS]]  # their order is the classes'
    styles = dict.fromkeys(drawn, "faint") | {name: f"c{i}" for i, name in enumerate(coloured)}
    if MICRO in curves:
        styles[MICRO] = "strong"
    lines = [
        Line(curves[name], css, f"{name}: {unit} {areas[name]:.3f}")
        for name, css in sorted(styles.items(), key=lambda style: style[1] != "faint")
    ]
    named = [(css, f"{n} {areas[n]:.3f}") for n, css in styles.items() if css != "faint"]
    count = f"{len(drawn)} of {len(worst)} classes, the {COLORS} lowest in colour"
    of = count if len(worst) > COLORS else "each class"
    return (
        f"<div>{chart(*axes, [*guides, *lines], title=title)}{legend(named)}"
        f"{note(f'{unit} of {of}.')}</div>"
    )


def as_points(given: Sequence[Sequence[float]]) -> list[Point]:
    """Points as JSON keeps them."""
    return [(x, y) for x, y in given]


def _curves(evaluation: Mapping[str, Any], kind: str) -> dict[str, list[Point]]:
    """Points of every class that has images with and without it, and of all classes together."""
    every = {**evaluation["curves"], MICRO: evaluation.get("micro_curves", {})}  # not in old runs
    return {name: as_points(one[kind]) for name, one in every.items() if one.get(kind)}
