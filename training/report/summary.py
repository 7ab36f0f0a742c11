"""First of all: what was asked for, what came out, and how to use it."""

from collections.abc import Iterator
from html import escape

from training.automl.display import clock
from training.report.evidence import Evidence, TrialFacts
from training.report.tables import facts_list, figures

_SHOWN_METRICS = 12


def summary(evidence: Evidence) -> str:
    """Task, data, best trial with its metrics, time, machine, versions, and the next command."""
    return facts_list(_facts(evidence)) + _metrics(evidence) + _next(evidence)


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    data, machine = evidence.data, evidence.environment
    yield "task", evidence.task.value
    yield "classes", _listed(evidence.labels)
    yield (
        "images",
        f"{data['train']['images']} to learn from, {data['validation']['images']} to validate",
    )
    if objects := data["train"].get("objects_per_class"):
        others = data["validation"].get("objects_per_class", {})
        yield (
            "objects",
            f"{sum(objects.values())} to learn from, {sum(others.values())} to validate",
        )
    left_out = sum(len(data[split]["dropped"]) for split in ("train", "validation"))
    if left_out:
        yield "left out", f"{left_out} records, listed in data.json"
    judged = next((one for one in evidence.trials if one.name == evidence.judged), None)
    if judged is not None:
        yield "best trial" if len(evidence.trials) > 1 else "trial", _trial(judged, evidence.metric)
    yield (
        "training time",
        f"{clock(sum(trial.seconds for trial in evidence.trials))}, all epochs of all trials",
    )
    yield "machine", f"{machine['accelerator'] or 'no GPU'}, {machine['cores']} cores"
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    yield "versions", f"Python {machine['python']}, {versions}"


def _trial(trial: TrialFacts, metric: str) -> str:
    value = "" if trial.value is None else f", {metric} {trial.value:.4f}"
    return f"{trial.name}, {trial.model_name}, {trial.state}{value}"


def _listed(labels: list[str], *, shown: int = 12) -> str:
    more = f" and {len(labels) - shown} more" if len(labels) > shown else ""
    return f"{len(labels)}: {', '.join(labels[:shown])}{more}"


def _metrics(evidence: Evidence) -> str:
    if evidence.evaluation is None:
        return ""
    metrics = dict(evidence.evaluation["metrics"])
    ordered = {evidence.metric: metrics.pop(evidence.metric), **metrics}
    return f"<h3>Metrics on the validation images</h3>{figures(ordered, shown=_SHOWN_METRICS)}"


def _next(evidence: Evidence) -> str:
    name = escape(evidence.run.name)
    if evidence.model is None:
        return (
            "<p>There is no model yet. Go on with: "
            f"<code>python -m training resume {name}</code></p>"
        )
    return (
        "<h3>Serve it</h3><pre>"
        f"python -m training register {name} --name mymodel\n"
        "bentoml serve service:Scorer --arg model=mymodel:latest</pre>"
    )
