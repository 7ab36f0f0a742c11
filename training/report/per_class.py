"""The classes one by one."""

from training.report.evidence import Evidence
from training.report.tables import per_label_table


def per_class(evidence: Evidence) -> str:
    """Precision, recall and the like of each class."""
    return per_label_table(evidence.evaluation["per_label"]) if evidence.evaluation else ""
