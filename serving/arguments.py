"""What `--arg key=value` may say to `bentoml serve` and `bentoml build`."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from inference.engine import AUTO, ENGINES
from inference.names import unknown_name
from inference.requests import MAX_IMAGES


class Arguments(BaseModel):
    """The server's settings, read once when service.py is imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="NAME:VERSION in the model store, or a model folder")
    engine: str = Field(default="auto", description=" | ".join((AUTO, *ENGINES)))
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(
        default=1, ge=1, description="processes that answer, each with its own copy of the model"
    )
    max_batch: int | None = Field(default=None, ge=1, description="by default 8 on CPU, 32 on GPU")
    max_queue: int = Field(default=256, ge=MAX_IMAGES, description="images admitted at a time")
    max_wait_s: float = Field(
        default=1, gt=0, description="for other images before one's own; 32 may always be ahead"
    )

    explain: bool = True
    max_explanations: int = Field(default=16, ge=0, description="explanations that may wait")
    explain_timeout_s: float = Field(default=120, gt=0, description="the wait included")
    explain_threads: int | None = Field(
        default=None, ge=1, description="by default half the cores on CPU"
    )

    api_keys_file: str | None = Field(default=None, description="one key per line, # comments")
    cors_origins: str = Field(default="", description="comma separated, * for all")
    max_body_bytes: int = Field(default=20_000_000, ge=1)
    body_timeout_s: float = Field(default=30, gt=0, description="for a whole body to arrive")

    drain_s: float = Field(default=2, ge=0, description="from SIGTERM to the last new request")
    grace_s: float = Field(default=25, gt=0, description="from SIGTERM to the end of all processes")
    log_format: Literal["json", "text"] = "json"

    @field_validator("engine")
    @classmethod
    def _engine_is_known(cls, name: str) -> str:
        if name not in (AUTO, *ENGINES):
            raise ValueError(unknown_name("engine", name, (AUTO, *ENGINES)))
        return name

    @model_validator(mode="after")
    def _grace_outlasts_the_drain(self) -> Self:
        if self.grace_s < self.drain_s + 5:
            raise ValueError(
                f"grace_s must be at least drain_s + 5 = {self.drain_s + 5:g}, got {self.grace_s:g}"
            )
        return self


def cors_options(origins: str) -> dict[str, Any]:
    """Options of Starlette's CORSMiddleware for a comma separated list of origins."""
    return {
        "allow_origins": [origin.strip() for origin in origins.split(",")],
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["Authorization", "Content-Type", "X-Deadline-Ms", "X-Request-Id"],
        "expose_headers": ["Retry-After", "Server-Timing", "X-Model", "X-Request-Id"],
    }
