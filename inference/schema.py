"""What a request may say and what an answer holds, checked where bytes enter the process."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_SETTINGS = "replaces settings of the model for this request; GET /info shows their names"
MAX_STEPS = 500  # a request must not buy hours

MAX_MASKS = 10_000

Algorithm = Literal["xrai", "integrated_gradients", "guided_gradcam", "guided_backprop"]
DetectorAlgorithm = Literal["odam", "xrai"]
# Thousands of forward passes: for detectors, and only where nobody waits for an answer.
OfflineAlgorithm = Literal["drise"]


class XaiParameters(BaseModel):
    """`xai_parameters` of a request, with Azure's names, meaning and defaults.

    Azure's servers explain classifiers alone; what concerns detectors is ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    xai_algorithm: Literal[Algorithm, DetectorAlgorithm, OfflineAlgorithm] | None = Field(
        default=None, description="null means xrai, for a detector odam"
    )
    n_steps: int = Field(default=50, ge=2, le=MAX_STEPS)
    xrai_fast: bool = True
    approximation_method: Literal["riemann_middle", "gausslegendre"] = "riemann_middle"
    visualizations: bool = True
    attributions: bool = False
    confidence_score_threshold_multilabel: float = Field(default=0.5, ge=0, le=1)
    boxes: list[int] | None = Field(
        default=None, description="detectors: places in the answer's boxes; null means the best 20"
    )
    n_masks: int = Field(default=1000, ge=1, le=MAX_MASKS, description="detectors: of drise")


class SingleImage(BaseModel):
    """One image, and whether and how to explain its scores."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    image_base64: str = Field(description="the image file as base64; line breaks are allowed")
    model_explainability: bool = False
    xai_parameters: XaiParameters | None = Field(None, description="null means all defaults")
    settings: dict[str, Any] | None = Field(None, description=_SETTINGS)


class Box(BaseModel):
    """Corners of an object as ratios 0…1 of the image's width and height."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x1: float = Field(alias="topX")
    y1: float = Field(alias="topY")
    x2: float = Field(alias="bottomX")
    y2: float = Field(alias="bottomY")


class DetectedObject(BaseModel):
    """One object; segmentation adds a polygon or, with export_as_image, a mask."""

    model_config = ConfigDict(frozen=True)

    box: Box
    label: str
    score: float = Field(ge=0, le=1)
    polygon: list[list[float]] | None = Field(
        default=None, description="rings of x1, y1, x2, y2, … as ratios of width and height"
    )
    mask: str | None = Field(
        default=None, description="white on black, as large as the image; base64 of image_type"
    )


class InputData(BaseModel):
    """Azure's table of one column. Each element is base64 text, or SingleImage as a JSON string."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    columns: list[Literal["image"]] = Field(["image"], min_length=1, max_length=1)
    index: list[Any] | None = Field(None, description="accepted and not used")
    data: list[Any] = Field(description="one element, or a list of one element, per image")


class ManyImages(BaseModel):
    """Azure's form of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    input_data: InputData
    params: dict[str, Any] | None = Field(None, max_length=0, description="accepted when empty")
    settings: dict[str, Any] | None = Field(None, description=_SETTINGS)
