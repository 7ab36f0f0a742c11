"""Loss and primary metric over the epochs, the best trial's above all others'."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.report.evidence import Evidence, TrialFacts
from training.report.plots import Axis, Dots, Line, Mark, Point, chart, legend
from training.report.tables import note

_LOSSES = {"train_loss": "c0", "valid_loss": "c1"}


@dataclass(frozen=True, slots=True)
class _Curve:
    points: Sequence[Point]
    css: str
    name: str


def learning_curves(evidence: Evidence) -> str:
    """Two charts; nothing where no epoch has ended."""
    metric = evidence.metric
    others = [one for one in evidence.trials if one.name != evidence.judged]
    judged = [one for one in evidence.trials if one.name == evidence.judged]
    losses = [_curve(one, "train_loss", "faint") for one in others] + [
        _curve(one, name, css) for one in judged for name, css in _LOSSES.items()
    ]
    metrics = [
        *(_curve(one, metric, "faint") for one in others),
        *(_curve(one, metric, "c0") for one in judged),
    ]
    charts = _chart(losses, "loss") + _chart(metrics, metric)
    if not charts:
        return ""
    shown = [(css, name) for name, css in _LOSSES.items() if _has(judged, name)]
    entries = [*shown, *([("faint", "other trials")] if others else [])]
    of = f"trial {evidence.judged}" if judged else "all trials"
    return f'<div class="charts">{charts}</div>{legend(entries)}' + note(
        f"Epochs count from 1; {of} in colour. Point at a line for its trial."
    )


def _has(trials: Sequence[TrialFacts], name: str) -> bool:
    return any(_curve(trial, name, "").points for trial in trials)


def _curve(trial: TrialFacts, name: str, css: str) -> _Curve:
    """What is finite of one column; epochs without it are passed over."""
    points = [
        (row["epoch"] + 1, row[name])
        for row in trial.rows
        if math.isfinite(row.get(name, math.nan))
    ]
    return _Curve(points, css, f"trial {trial.name}, {name}")


def _chart(curves: Sequence[_Curve], label: str) -> str:
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return ""
    epochs = [x for curve in drawn for x, _ in curve.points]
    values = [y for curve in drawn for _, y in curve.points]
    x = Axis("epoch", 1, max(2.0, *epochs), min_step=1)
    title = label.replace("_", " ")
    y = Axis(title, min(0.0, *values), max(0.01, *values))
    marks: list[Mark] = [Line(curve.points, curve.css, curve.name) for curve in drawn]
    marks += [_best(curve) for curve in drawn if curve.css == "c0" and label != "loss"]
    return chart(x, y, marks, title=title)


def _best(curve: _Curve) -> Dots:
    """A dot on the epoch that was kept."""
    best = max(curve.points, key=lambda point: point[1])
    return Dots([best], curve.css, [f"best: epoch {best[0]:.0f}, {best[1]:.4f}"])
