"""What a request may say, checked once where bytes enter the process."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_STEPS = 500  # a request must not buy hours

Algorithm = Literal["xrai", "integrated_gradients", "guided_gradcam", "guided_backprop"]


class XaiParameters(BaseModel):
    """`xai_parameters` of a request, with Azure's names, meaning and defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    xai_algorithm: Algorithm = "xrai"
    n_steps: int = Field(50, ge=2, le=MAX_STEPS)
    xrai_fast: bool = True
    approximation_method: Literal["riemann_middle", "gausslegendre"] = "riemann_middle"
    visualizations: bool = True
    attributions: bool = False
    confidence_score_threshold_multilabel: float = Field(0.5, ge=0, le=1)
