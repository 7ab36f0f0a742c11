"""Encoded image in, JSON out, within a deadline: what the explainer's process runs."""

import time
from typing import Any

from inference.engine import resolve_device
from inference.errors import ExplanationFailed, SightlineError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.responses import dump_json, explanation_error_body
from inference.schema import XaiParameters
from inference.types import CLASSIFICATION_TASKS
from xai.explainer import Explainer, explanation_body


class JsonExplainer:
    """An explainer whose answers, refusals included, are JSON texts by key of the response."""

    def __init__(self, folder: ModelFolder, *, device: str) -> None:
        self._task = folder.facts.task
        self._explainer: Explainer | None = None
        if self._task in CLASSIFICATION_TASKS:
            self._explainer = Explainer(folder, device=resolve_device(device))

    def __call__(
        self, image: bytes, parameters: dict[str, Any], *, deadline: float
    ) -> dict[str, bytes]:
        """Explain an image file; `deadline` is a time of the monotonic clock."""
        try:
            body = self._explain(image, XaiParameters(**parameters), deadline)
        except SightlineError as error:
            body = explanation_error_body(error)
        return {key: dump_json(value) for key, value in body.items()}

    def _explain(self, image: bytes, parameters: XaiParameters, deadline: float) -> dict[str, Any]:
        def checkpoint() -> None:
            if time.monotonic() > deadline:
                raise ExplanationFailed("given up, the time for it has passed")

        if self._explainer is None:
            raise ExplanationFailed(f"{self._task.value} has no explanations in this version")
        checkpoint()  # it may have waited behind one that nobody waits for any more
        explanation = self._explainer.explain(
            decode_image(image), parameters, checkpoint=checkpoint
        )
        return explanation_body(explanation, parameters, self._task)
