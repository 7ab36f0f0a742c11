"""What a request may say and what an answer holds, checked where bytes enter the process."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_SETTINGS = "replaces settings of the model for this request; GET /info shows their names"
MAX_STEPS = 500  # a request must not buy hours

MAX_MASKS = 10_000

Algorithm = Literal["xrai", "integrated_gradients", "guided_gradcam", "gradcam", "guided_backprop"]
DetectorAlgorithm = Literal["odam", "xrai"]
# Thousands of forward passes: for detectors, and only where nobody waits for an answer.
OfflineAlgorithm = Literal["drise"]
ApproximationMethod = Literal["riemann_middle", "gausslegendre", "linspace"]
Baseline = Literal["mean_colour", "black", "white", "image_min", "image_max", "blur"]
Encoding = Literal["list", "npy_f16", "npy_f32"]

_Name = TypeVar("_Name", bound=str)


def _is_n_steps(value: Any) -> Any:
    """One message for all that is wrong; a union would give one for each of its members."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= MAX_STEPS
    if value is None or value == "auto" or is_count:
        return value
    raise ValueError(f'must be an integer 2…{MAX_STEPS}, "auto" or null')


def _without_duplicates(names: list[_Name]) -> list[_Name]:
    if len(set(names)) < len(names):
        raise ValueError("must name each only once")
    return names


_Names = Annotated[list[_Name], Field(min_length=1), AfterValidator(_without_duplicates)]


class XaiParameters(BaseModel):
    """`xai_parameters` of a request, with Azure's names and meaning.

    Azure's servers explain classifiers alone; what concerns detectors is ours, and so is all that
    comes after `confidence_score_threshold_multilabel`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    xai_algorithm: Literal[Algorithm, DetectorAlgorithm, OfflineAlgorithm] | None = Field(
        default=None, description="null means xrai, for a detector odam"
    )
    n_steps: Annotated[
        Annotated[int, Field(ge=2, le=MAX_STEPS)] | Literal["auto"] | None,
        BeforeValidator(_is_n_steps),
    ] = Field(
        default=None,
        description='nodes per path; null: the method\'s own number; "auto": up to tolerance',
    )
    xrai_fast: bool = True
    approximation_method: ApproximationMethod = "riemann_middle"
    visualizations: bool = True
    attributions: bool = False
    confidence_score_threshold_multilabel: float | None = Field(
        default=None, ge=0, le=1, description="null means the model's own, 0.5 unless it was tuned"
    )
    target_classes: _Names[str] | None = Field(
        default=None, description="classifiers: labels to explain, in this order"
    )
    attributions_encoding: Encoding = Field(
        default="list", description="or base64 of an .npy file of float16 or float32"
    )
    top_percent: float = Field(
        default=30, ge=0.1, le=100, description="of the pixels that the picture's last part shows"
    )
    baselines: _Names[Baseline] | None = Field(
        default=None, description="where paths begin; null means the method's own"
    )
    tolerance: float = Field(default=0.05, ge=1e-4, le=1, description='of n_steps "auto"')
    return_delta: bool = Field(
        default=False, description="say how far attributions are from adding up, and their n_steps"
    )
    boxes: list[int] | None = Field(
        default=None, description="detectors: places in the answer's boxes; null means the best 20"
    )
    n_masks: int = Field(default=1000, ge=1, le=MAX_MASKS, description="detectors: of drise")

    @model_validator(mode="after")
    def _auto_is_nested(self) -> "XaiParameters":
        """Only the midpoint rule keeps its nodes when their number is tripled."""
        if self.n_steps == "auto" and self.approximation_method != "riemann_middle":
            raise ValueError(
                'n_steps "auto" needs approximation_method "riemann_middle", '
                f'got "{self.approximation_method}"'
            )
        return self

    @property
    def asks_for_convergence(self) -> bool:
        """Whether the answer says how well the integrals were computed."""
        return self.return_delta or self.n_steps == "auto"


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
