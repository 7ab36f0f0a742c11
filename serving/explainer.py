"""Encoded image in, JSON out, within a deadline: what the explainer's process runs."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from inference.engine import resolve_device, usable_cores
from inference.errors import ExplanationFailed, SightlineError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.responses import dump_json, explanation_error_body
from inference.schema import XaiParameters
from xai.explainer import explanation_body, load_explainer

_NICE = 10  # a tenth of the weight of a process that scores: slow on a busy machine, not starved


def yield_to_scores(*, threads: int | None, device: str) -> None:
    """Give this process a low priority and, on CPU, `threads` or half of the cores."""
    os.nice(_NICE)
    # BentoML starts every worker in a session of its own, and outside of containers Linux shares
    # the CPU evenly between sessions, whatever their processes' niceness, unless told here.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")
    if threads is None and resolve_device(device) == "cpu":
        threads = max(1, usable_cores() // 2)
    if threads is not None:
        torch.set_num_threads(threads)


class JsonExplainer:
    """An explainer whose answers, refusals included, are JSON texts by key of the response."""

    def __init__(self, folder: ModelFolder, *, device: str) -> None:
        self._folder = folder
        self._explainer = load_explainer(folder, device=resolve_device(device))

    def __call__(
        self,
        image: bytes,
        question: Mapping[str, Any],
        *,
        deadline: float,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> dict[str, bytes]:
        """Explain an image file; the question holds the request's "parameters" and "settings".

        It gives up at `deadline`, a time of the monotonic clock, and when `is_wanted` says no.
        """

        def checkpoint() -> None:
            if not is_wanted():
                raise ExplanationFailed("given up, nobody waits for it")
            if time.monotonic() > deadline:
                raise ExplanationFailed("given up, the time for it has passed")

        try:
            body = self._explain(image, question, checkpoint)
        except SightlineError as error:
            body = explanation_error_body(error)
        return {key: dump_json(value) for key, value in body.items()}

    def _explain(
        self, image: bytes, question: Mapping[str, Any], checkpoint: Callable[[], None]
    ) -> dict[str, Any]:
        checkpoint()  # it may have waited behind one that nobody waits for any more
        parameters = XaiParameters(**question["parameters"])
        settings = type(self._folder.settings)(**question["settings"])
        explanation = self._explainer.explain(
            decode_image(image), parameters, checkpoint=checkpoint, settings=settings
        )
        return explanation_body(explanation, parameters, self._folder.facts.task)
