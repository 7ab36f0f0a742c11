"""Precision against recall of each class of objects."""

from training.report.class_curves import PRECISION, RECALL, as_points, curve_chart
from training.report.evidence import Evidence
from training.report.tables import note


def object_curves(evidence: Evidence) -> str:
    """One curve per class that anything was found of, at the job's IoU threshold."""
    if evidence.evaluation is None:
        return ""
    curves = {
        label: as_points(one["precision_recall"])
        for label, one in evidence.evaluation["curves"].items()
        if one["precision_recall"]
    }
    areas = {
        label: row["average_precision"] for label, row in evidence.evaluation["per_label"].items()
    }
    title = f"IoU {evidence.iou_threshold:g}"
    drawn = curve_chart(title, curves, areas, axes=(RECALL, PRECISION))
    if not drawn:
        return note("Nothing was found in the validation images.")
    return f'<div class="charts">{drawn}</div>' + note(
        f"An object counts as found from an IoU of {evidence.iou_threshold:g} on. A curve "
        "ends where box_score_threshold cuts off what is less sure."
    )
