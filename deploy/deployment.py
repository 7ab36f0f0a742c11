"""What was rendered: everything that the files say, kept beside them in deployment.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.errors import UsageError
from deploy.weights import known

STATE = "deployment.json"
SERVER_PORT = 3000  # of every Bento's container
EXPLAIN_S = 190  # BentoML's own time-out of the server, above its explain_timeout_s
Target = Literal["compose", "kubernetes", "kserve", "nginx"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Part):
    """One model's servers: `server` is host:port as the proxy reaches them."""

    name: str
    image: str
    server: str
    weight: int


class Pods(_Part):
    """The containers of every model alike."""

    replicas: int = Field(ge=1, le=1000)
    max_replicas: int = Field(ge=1, le=1000)
    queue_target: int = Field(ge=1)
    cpus: int = Field(ge=1)
    memory_gb: int = Field(ge=1)
    gpu: bool
    keys: bool
    grace_s: int = Field(ge=5)


class Entry(_Part):
    """Where requests come in: a port of this machine, or a Gateway (NAMESPACE/NAME)."""

    port: int = Field(ge=1, le=65535)
    gateway: str = Field(pattern=r"^[a-z0-9-]+/[a-z0-9.-]+$")
    hostname: str | None
    allow_from: tuple[str, ...]


class Shadow(_Part):
    """`percent` of the requests to /score are also sent to `comparer`, which asks `model` too."""

    model: str
    percent: int = Field(ge=1, le=100)
    comparer: str


class Deployment(_Part):
    """A rendered deployment. `previous` are the weights before the last change of traffic."""

    target: Target
    models: tuple[Model, ...] = Field(min_length=1)
    pods: Pods
    entry: Entry
    shadow: Shadow | None = None
    previous: dict[str, int] | None = None

    @model_validator(mode="after")
    def _fits_the_target(self) -> Self:
        if self.pods.max_replicas < self.pods.replicas:
            raise ValueError(
                f"max_replicas {self.pods.max_replicas} is below replicas {self.pods.replicas}"
            )
        if self.target == "kserve" and len(self.models) > 2:
            raise ValueError(
                f"KServe splits between the model that runs and one new one, got {len(self.models)}"
            )
        if self.target == "compose" and self.pods.gpu and self.pods.replicas > 1:
            raise ValueError("on one machine every replica would get the same GPU: replicas is 1")
        return self

    @property
    def weights(self) -> dict[str, int]:
        """Name → percent of the requests, in the order of the models."""
        return {model.name: model.weight for model in self.models}

    def shifted(self, weights: Mapping[str, int]) -> "Deployment":
        """Return the deployment with other weights; models that are not named get 0."""
        known(weights, self.weights)
        models = tuple(
            model.model_copy(update={"weight": weights.get(model.name, 0)}) for model in self.models
        )
        return self.model_copy(update={"models": models, "previous": self.weights})

    def to_json(self) -> str:
        """Return the text of deployment.json."""
        return self.model_dump_json(indent=2) + "\n"


def checked(values: Mapping[str, object]) -> Deployment:
    """Build a Deployment. Raises UsageError with one line for the first value that is wrong."""
    try:
        return Deployment.model_validate(values)
    except ValidationError as error:
        raise UsageError(_first_line(error)) from None


def read_deployment(folder: Path) -> Deployment:
    """Read what `render` wrote into `folder`. Raises UsageError where there is none."""
    path = folder / STATE
    try:
        return Deployment.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); run `python -m deploy render` first"
        ) from None
    except ValidationError as error:
        raise UsageError(f"{path}: {_first_line(error)}; render again") from None


def _first_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = str(first["loc"][-1]) if first["loc"] else ""
    text = first["msg"].removeprefix("Value error, ")
    return f"{where}: {text}, got {first['input']!r}" if where else text
