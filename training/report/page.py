"""The sections of a report, in their order, on one page."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

from inference.html_page import document
from inference.types import CLASSIFICATION_TASKS
from training.report.class_curves import class_curves
from training.report.confusion import confusion
from training.report.evidence import Evidence
from training.report.importance import what_mattered
from training.report.leaderboard import leaderboard
from training.report.learning_curves import learning_curves
from training.report.mistakes import worst_mistakes
from training.report.object_curves import object_curves
from training.report.object_errors import object_errors
from training.report.object_examples import object_examples
from training.report.per_class import per_class
from training.report.reliability import reliability_diagram
from training.report.scoring import score
from training.report.style import CSS
from training.report.summary import summary

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; `render` returns its HTML, "" where there is nothing to say."""

    title: str
    render: Callable[[Evidence], str]


_OF_EVERY_JOB = (
    Section("Summary", summary),
    Section("Leaderboard", leaderboard),
    Section("Training curves", learning_curves),
    Section("What mattered", what_mattered),
)
_OF_CLASSIFIERS = (
    Section("Classes", per_class),
    Section("Confusion", confusion),
    Section("ROC and precision-recall", class_curves),
    Section("Reliability", reliability_diagram),
    Section("Worst mistakes", worst_mistakes),
)
_OF_DETECTORS = (
    Section("Classes", per_class),
    Section("Precision and recall", object_curves),
    Section("Errors", object_errors),
    Section("Examples", object_examples),
)


def sections_of(evidence: Evidence) -> tuple[Section, ...]:
    """Choose the sections of a job's task."""
    is_classifier = evidence.task in CLASSIFICATION_TASKS
    return _OF_EVERY_JOB + (_OF_CLASSIFIERS if is_classifier else _OF_DETECTORS)


def page_html(evidence: Evidence) -> str:
    """Return the page. The model, if there is one, is run on the validation images for it."""
    evidence, problem = _scored(evidence)
    name = evidence.run.name
    sections = sections_of(evidence)
    return document(
        f"Report: {name}",
        [
            f"<main><h1>{escape(name)}</h1>{problem}",
            *(_rendered(section, evidence) for section in sections),
            "</main>",
        ],
        css=CSS,
    )


def _scored(evidence: Evidence) -> tuple[Evidence, str]:
    """Add predictions; where that fails, return why as HTML."""
    if evidence.model is None:
        return evidence, ""
    try:
        return replace(evidence, scored=score(evidence.model, evidence.validation)), ""
    except Exception as error:  # the rest of the page does not need the model
        return evidence, _failure("The model could not be run on the validation images", error)


def _rendered(section: Section, evidence: Evidence) -> str:
    try:
        body = section.render(evidence)
    except Exception as error:  # one section must not take the others with it
        body = _failure("This section could not be made", error)
    if not body:
        return ""
    return f"<section><h2>{escape(section.title)}</h2>{body}</section>"


def _failure(what: str, error: Exception) -> str:
    LOG.debug("traceback", exc_info=True)
    return f'<p class="problem">{what}: {escape(f"{type(error).__name__}: {error}")}</p>'
