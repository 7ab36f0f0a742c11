"""Bayesian search: tree-structured Parzen estimators (Bergstra et al. 2011), by Optuna.

TPE works on quantiles (see distributions), so that every distribution is its own prior. The study
is rebuilt from the trials at each draw: their files are the only state, and Optuna stores nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.automl.distributions import Choice, Distribution
from training.automl.samplers import Observation
from training.automl.spaces import Point, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_SPACE = "space"
_BELOW_ONE = 1 - 1e-9  # quantiles end before 1


@dataclass(frozen=True, slots=True)
class BayesianSampler:
    """TPE over a conditional space; the first `startup` trials are random draws."""

    space: Space
    seed: int
    startup: int

    def draw(self, index: int, seen: Sequence[Observation]) -> Point:
        """Return the point that promises most after what was `seen`."""
        spaces = range(len(self.space))
        return tpe_draw(
            self.space, spaces, seen, seed=draw_seed(self.seed, index), startup=self.startup
        )


def draw_seed(seed: int, index: int) -> int:
    """One 32-bit seed per draw."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def tpe_draw(
    space: Space,
    allowed: Sequence[int],
    seen: Sequence[Observation],
    *,
    seed: int,
    startup: int,
) -> Point:
    """Draw from the `allowed` sub-spaces; trials of other ones say nothing about these.

    Trials that run count as bad where they are (Optuna's constant liar), so that a second slot is
    not sent to the same place. Trials that failed have no value and are left out.
    """
    import optuna  # half a second to import, and most sweeps do without

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=startup, multivariate=False, constant_liar=True
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    usable = [one for one in seen if one.is_running or one.value is not None]
    study.add_trials(_trial(space, allowed, one) for one in usable if one.point.space in allowed)
    trial = study.ask()
    chosen = trial.suggest_categorical(_SPACE, list(allowed))
    values = {}
    for name, one in space[chosen].items():
        if isinstance(one, Choice):
            options = list(range(len(one.values)))
            values[name] = one.values[trial.suggest_categorical(_key(chosen, name), options)]
        else:
            values[name] = one.at(trial.suggest_float(_key(chosen, name), 0, _BELOW_ONE))
    return Point(chosen, values)


def _trial(space: Space, allowed: Sequence[int], seen: Observation) -> "FrozenTrial":
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    chosen = seen.point.space
    sub_space = space[chosen]
    axes: dict[str, BaseDistribution] = {_SPACE: CategoricalDistribution(list(allowed))}
    axes.update({_key(chosen, name): _axis(one) for name, one in sub_space.items()})
    return create_trial(
        state=TrialState.RUNNING if seen.is_running else TrialState.COMPLETE,
        value=None if seen.is_running else seen.value,
        params={_SPACE: chosen, **_coordinates(chosen, sub_space, seen.point.values)},
        distributions=axes,
    )


def _coordinates(
    chosen: int, sub_space: Mapping[str, Distribution], values: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        _key(chosen, name): one.values.index(values[name])
        if isinstance(one, Choice)
        else min(one.position(values[name]), _BELOW_ONE)
        for name, one in sub_space.items()
    }


def _axis(one: Distribution) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(one, Choice):
        return CategoricalDistribution(list(range(len(one.values))))
    return FloatDistribution(0, _BELOW_ONE)


def _key(chosen: int, name: str) -> str:
    return f"{chosen}.{name}"
