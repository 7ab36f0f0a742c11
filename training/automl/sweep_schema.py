"""The `sweep` of a job file: sampling algorithm and early termination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from inference.names import unknown_name
from inference.validation import describe
from training.automl.policies import Bandit, MedianStopping, Policy, TruncationSelection, When
from training.job_values import Flag, Integer, Number, canonical, spelled_as

_ALGORITHMS = ("random", "grid", "bayesian")
_Algorithm = Annotated[
    Literal["random", "grid", "bayesian"], BeforeValidator(spelled_as(*_ALGORITHMS))
]
_Rule = Annotated[Literal["random", "sobol"], BeforeValidator(spelled_as("random", "sobol"))]


class SweepFile(BaseModel):
    """Every key of `sweep`. `seed` and `rule` are random's alone; early_termination is raw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampling_algorithm: _Algorithm = "random"
    seed: Integer | None = Field(default=None, ge=0)
    rule: _Rule | None = None
    early_termination: dict[str, Any] = {}

    @model_validator(mode="after")
    def _rule_is_randoms(self) -> Self:
        if self.rule is not None and self.sampling_algorithm != "random":
            raise ValueError(
                f"rule {self.rule!r} belongs to sampling_algorithm random, "
                f"not {self.sampling_algorithm}; remove it"
            )
        return self


class _Termination(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    evaluation_interval: Integer = Field(default=1, ge=0)
    delay_evaluation: Integer = Field(default=0, ge=0)

    def when(self) -> When:
        """The intervals, 0 read as 1."""
        return When(max(1, self.evaluation_interval), self.delay_evaluation)


class _BanditFile(_Termination):
    slack_factor: Number = Field(default=0, ge=0)  # 0 is what Azure's SDK writes for "not given"
    slack_amount: Number = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_slack(self) -> Self:
        if self.slack_factor and self.slack_amount:
            raise ValueError(
                "slack_factor and slack_amount cannot both be given, "
                f"got {self.slack_factor:g} and {self.slack_amount:g}; keep one"
            )
        if not self.slack_factor and not self.slack_amount:
            raise ValueError("bandit needs a slack_factor or a slack_amount greater than 0")
        return self

    def policy(self) -> Bandit:
        """The policy, with the slack that is not given as None."""
        return Bandit(self.when(), self.slack_factor or None, self.slack_amount or None)


class _MedianFile(_Termination):
    def policy(self) -> MedianStopping:
        """The policy."""
        return MedianStopping(self.when())


class _TruncationFile(_Termination):
    truncation_percentage: Integer = Field(ge=1, le=99)
    exclude_finished_jobs: Flag = False

    def policy(self) -> TruncationSelection:
        """The policy."""
        return TruncationSelection(
            self.when(), self.truncation_percentage, self.exclude_finished_jobs
        )


_POLICIES: Mapping[str, type[_BanditFile | _MedianFile | _TruncationFile]] = {
    "bandit": _BanditFile,
    "median_stopping": _MedianFile,
    "truncation_selection": _TruncationFile,
}


@dataclass(frozen=True, slots=True)
class Sweep:
    """How a space is searched; policy None lets every trial run to its end."""

    algorithm: Literal["random", "grid", "bayesian"]
    rule: Literal["random", "sobol"]
    seed: int | None
    policy: Policy | None


def parse_sweep(given: Mapping[str, Any]) -> Sweep:
    """Read the `sweep` of a job file. Raises ValueError that names the key path."""
    try:
        file = SweepFile.model_validate(given)
    except ValidationError as error:
        raise ValueError(_placed("sweep", describe(error, SweepFile))) from None
    policy = parse_policy(file.early_termination) if file.early_termination else None
    return Sweep(file.sampling_algorithm, file.rule or "random", file.seed, policy)


def parse_policy(given: Mapping[str, Any], *, where: str = "sweep.early_termination") -> Policy:
    """Read an `early_termination`. Raises ValueError that names the key path."""
    if "type" not in given:
        raise ValueError(f"{where} needs a type (allowed: {', '.join(sorted(_POLICIES))})")
    try:
        kind = canonical("type", str(given["type"]), _POLICIES)
    except ValueError as error:
        raise ValueError(f"{where}.type: {error}") from None
    schema = _POLICIES[kind]
    values = {key: value for key, value in given.items() if key != "type"}
    for key in values:
        if key not in schema.model_fields:
            raise ValueError(
                f"{where}: {unknown_name(f'key of {kind}', str(key), schema.model_fields)}"
            )
    try:
        return schema.model_validate(values).policy()
    except ValidationError as error:
        raise ValueError(_placed(where, describe(error, schema))) from None


def _placed(where: str, problem: str) -> str:
    """Put the place before a problem; a key that has its own place is joined with a dot."""
    name = problem.split(":", 1)[0].split(" is missing", 1)[0]
    return f"{where}.{problem}" if name.isidentifier() else f"{where}: {problem}"
