"""What a job file may say, key by key; the shape alone, before paths and tasks are looked at."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from training.job_values import Integer, Number


class Limits(BaseModel):
    """Budget of a job: number of trials, how many at once, and minutes until it is stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_trials: Integer = Field(default=1, ge=1, le=1000)
    max_concurrent_trials: Integer = Field(default=1, ge=1, le=100)
    timeout_minutes: Integer = Field(default=10_080, ge=1, le=86_400)

    @property
    def concurrent_trials(self) -> int:
        """How many trials run at once: never more than there are."""
        return min(self.max_concurrent_trials, self.max_trials)


class DataInput(BaseModel):
    """Where a table of labelled images is; `mode` and `description` are Azure's and unused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    type: Literal["mltable", "uri_folder", "uri_file"] = "mltable"
    mode: str | None = None
    description: str | None = None


class Properties(BaseModel):
    """Azure's `properties`: nodes per trial, and ours, processes on each; the rest is ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)

    node_count_per_trial: Integer = Field(default=1, ge=1)
    processes_per_node: Integer | None = Field(default=None, ge=1)


class AzureOnly(BaseModel):
    """Keys that files of Azure's SDK hold and that say nothing that matters on this machine."""

    compute: Any = None
    creation_context: Any = None
    environment_id: Any = None
    environment_variables: Any = None
    id: Any = None
    identity: Any = None
    log_files: Any = None
    log_verbosity: Any = None
    outputs: Any = None
    parent_job_name: Any = None
    queue_settings: Any = None
    resources: Any = None
    services: Any = None
    status: Any = None
    test_data: Any = None
    test_data_size: Any = None


class JobFile(AzureOnly):
    """Every key of a job file. `task`, `type` and `primary_metric` are still as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    type: str = "automl"
    task: str
    name: str | None = Field(default=None, min_length=1)
    display_name: str | None = None
    description: str | None = None
    experiment_name: str = Field(default="default", min_length=1)
    tags: dict[str, str] = {}
    primary_metric: str | None = None
    target_column_name: str = Field(default="label", min_length=1)
    training_data: DataInput
    validation_data: DataInput | None = None
    validation_data_size: Number = Field(default=0.2, gt=0, lt=1)
    limits: Limits = Limits()
    training_parameters: dict[str, Any] = {}
    search_space: list[dict[str, Any]] = []
    sweep: dict[str, Any] = {}
    datastores: dict[str, str] = {}
    properties: Properties = Properties()

    @field_validator("training_data", "validation_data", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    def ignored_keys(self) -> tuple[str, ...]:
        """Azure-only keys that say something."""
        keys = [key for key in AzureOnly.model_fields if getattr(self, key)]
        return (*keys, *(f"properties.{key}" for key in self.properties.model_extra or ()))
