"""What mattered: how much of the metric's variance each hyperparameter explains, by fANOVA.

Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter Importance", as Optuna
computes it: a random forest over the completed trials, its variance split among hyperparameters.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from training.report.evidence import Evidence, TrialFacts
from training.report.plots import Axis, Dots, chart, short
from training.report.tables import note

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 4
_SHOWN = 6
_LOG_RATIO = 20.0  # values that are so far apart were drawn, and are shown, on a logarithmic scale


def what_mattered(evidence: Evidence) -> str:
    """Each hyperparameter's share and its values against the metric, the greatest share first."""
    if len(evidence.trials) < 2:
        return ""
    done = [one for one in evidence.trials if one.state == "completed" and one.value is not None]
    if len(done) < FEWEST_TRIALS:
        return note(
            f"{len(done)} trials have completed; importance needs at least {FEWEST_TRIALS}."
        )
    if len({trial.value for trial in done}) == 1:
        return note("All completed trials have the same metric: nothing made a difference.")
    shares = importance(done)
    if not shares:
        return note("All completed trials share every hyperparameter that all of them have.")
    shown = dict(list(shares.items())[:_SHOWN])
    charts = [_effect(name, done, evidence.metric, share) for name, share in shown.items()]
    return (
        note(
            f"Share of the variance of {evidence.metric} over {len(done)} completed trials, by "
            "fANOVA. With few trials it is a hint, no proof. Hyperparameters that not every trial "
            "has are left out."
        )
        + f'<div class="charts">{"".join(charts)}</div>'
    )


def importance(trials: Sequence[TrialFacts]) -> dict[str, float]:
    """Shares of the variance, summing to 1, the greatest first.

    Of the hyperparameters that every trial has and that differ; trials have a value each.
    """
    import optuna  # half a second to import, and most reports do without

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    common = [name for name in trials[0].values if all(name in trial.values for trial in trials)]
    axes = {name: _axis([trial.values[name] for trial in trials]) for name in common}
    axes = {name: axis for name, axis in axes.items() if not axis.single()}
    if not axes:
        return {}
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        params = {name: _plain(trial.values[name]) for name in axes}
        study.add_trial(
            optuna.trial.create_trial(value=trial.value, params=params, distributions=axes)
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _axis(values: Sequence[Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not _are_numbers(values):
        return CategoricalDistribution(sorted({str(value) for value in values}))
    return FloatDistribution(min(values), max(values), log=_is_log(values))


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _plain(value: Any) -> Any:
    return float(value) if _are_numbers([value]) else str(value)


def _is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= _LOG_RATIO


def _effect(name: str, trials: Sequence[TrialFacts], metric: str, share: float) -> str:
    """One dot per trial."""
    values = [trial.values[name] for trial in trials]
    results = [float(trial.value or 0.0) for trial in trials]
    names = [f"trial {t.name}: {name} {_short(v)}" for t, v in zip(trials, values, strict=True)]
    title = f"{name.replace('_', ' ')}: {share:.0%}"
    x, places = _placed(name, values)
    y = Axis(metric.replace("_", " "), min(0.0, *results), max(0.01, *results))
    return chart(x, y, [Dots(list(zip(places, results, strict=True)), "c0", names)], title=title)


def _placed(name: str, values: Sequence[Any]) -> tuple[Axis, list[float]]:
    """An axis for the values and where they are on it; names lie side by side."""
    if _are_numbers(values):
        axis = Axis(name, min(values), max(values), is_log=_is_log(values))
        return axis, [float(value) for value in values]
    options = sorted({str(value) for value in values})
    axis = Axis(name, -0.5, len(options) - 0.5, names=tuple(options))
    return axis, [float(options.index(str(value))) for value in values]


def _short(value: Any) -> str:
    return short(value) if isinstance(value, float) else str(value)
