"""What `--arg key=value` may say to `bentoml serve` and `bentoml build`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from inference.requests import MAX_IMAGES


class Arguments(BaseModel):
    """The server's settings, read once when service.py is imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="NAME:VERSION in the model store, or a model folder")
    engine: Literal["torch", "onnxruntime"] = "torch"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    explain: bool = True
    max_batch: int | None = Field(default=None, ge=1, description="by default 8 on CPU, 32 on GPU")
    max_queue: int = Field(default=256, ge=MAX_IMAGES, description="images admitted at a time")
    max_body_bytes: int = Field(default=20_000_000, ge=1)
    max_explanations: int = Field(default=16, ge=0, description="explanations that may wait")
    explain_timeout_s: float = Field(default=120, gt=0, description="the wait included")
