"""Names that users write: two vocabularies for the same settings, and help when a name is wrong."""

from collections.abc import Iterable
from difflib import get_close_matches

# Job files use the left name, settings.json and older scripts the right one. Both are accepted.
JOB_TO_SETTINGS_NAME = {
    "learning_rate_scheduler": "lr_scheduler",
    "ams_gradient": "amsgrad",
    "gradient_accumulation_step": "grad_accumulation_step",
    "validation_resize_size": "valid_resize_size",
    "validation_crop_size": "valid_crop_size",
    "training_crop_size": "train_crop_size",
    "box_score_threshold": "box_score_thresh",
    "nms_iou_threshold": "nms_iou_thresh",
    "box_detections_per_image": "box_detections_per_img",
    "image_size": "img_size",
    "tile_predictions_nms_threshold": "tile_predictions_nms_thresh",
}
_SETTINGS_TO_JOB_NAME = {
    **{settings: job for job, settings in JOB_TO_SETTINGS_NAME.items()},
    "box_iou_thresh": "nms_iou_threshold",
}


_LONGEST_NAME = 80  # a longer one is cut: a request must not choose how long an error is


def job_name(name: str) -> str:
    """Spell a hyperparameter as job files do; other names come back unchanged."""
    return _SETTINGS_TO_JOB_NAME.get(name, name)


def settings_name(name: str) -> str:
    """Spell a setting as settings.json does; other names come back unchanged."""
    return JOB_TO_SETTINGS_NAME.get(job_name(name), name)


def unknown_name(kind: str, got: str, allowed: Iterable[str]) -> str:
    """Say that a name is unknown, what was probably meant, and what is allowed.

    `kind` names the thing: "model family", "setting". The text starts with "unknown {kind}".
    """
    allowed = sorted(allowed)
    got = got if len(got) <= _LONGEST_NAME else got[:_LONGEST_NAME] + "…"
    near = get_close_matches(got, allowed, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {got!r}{hint} (allowed: {', '.join(allowed)})"
