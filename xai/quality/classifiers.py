"""All measures of a classifier's explanations, of one image at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.families import classifier_named
from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.schema import XaiParameters
from inference.settings import ClassificationSettings, settings_of
from inference.types import probabilities
from xai.explainer import as_input, crop_of, exact_convolutions, finite, ready_to_explain
from xai.methods import Subject, method_named
from xai.paths import no_checkpoint
from xai.quality.infidelity import infidelity, losses, random_squares
from xai.quality.measures import Measured
from xai.quality.perturbation import Score, area_under, blurred, exchange_curve, pixel_ranks
from xai.quality.randomisation import rank_correlation, unlearned
from xai.quality.references import REFERENCES
from xai.quality.road import removal_curve

STEPS = 20  # of insertion and deletion
SQUARES = 48  # of infidelity

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """An image (C, H, W) whose class `target` is explained, and what is the same for all methods.

    masks (N, H, W) cost the class's logit `costs` (N,); seed: of ROAD's noise.
    """

    image: Tensor
    target: int
    masks: Tensor
    costs: NDArray[np.float64]
    seed: Sequence[int]


class ClassifierJudge:
    """Explains the most probable class of images and measures every method's explanation."""

    def __init__(
        self,
        folder: ModelFolder,
        methods: Sequence[str],
        *,
        n_steps: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        """Load the network, and build one of its kind that has learned nothing."""
        self._parameters = {name: _parameters(name, n_steps) for name in methods}
        self._task = folder.facts.task
        self._settings = settings_of(folder.settings, ClassificationSettings)
        self._cam = classifier_named(folder.facts.family, folder.facts.options).cam
        self._preprocessing = folder.facts.preprocessing
        self._device = torch.device(device)
        self._network = ready_to_explain(load_network(folder, device=device))
        self._unlearned = ready_to_explain(unlearned(folder.facts, seed=seed).to(self._device))

    def measure(self, image_rgb: NDArray[np.uint8], seed: Sequence[int]) -> dict[str, Measured]:
        """Measure every method, and the references, on an image (H, W, 3).

        seed: of the random reference and of ROAD's noise, which is the same for all methods.
        Raises ExplanationFailed when a network gives something that is not a number.
        """
        crop = crop_of(image_rgb, self._settings, self._preprocessing)
        image = as_input(crop, self._device, self._preprocessing)
        with exact_convolutions():
            case = self._case(image, seed)
            results = {name: self._measure_method(case, name) for name in self._parameters}
            for name, reference in REFERENCES.items():
                scores = reference(crop, np.random.default_rng((*seed, 1)))  # not the noise's
                results[name] = self._faithfulness(case, scores)
        return results

    def _case(self, image: Tensor, seed: Sequence[int]) -> _Case:
        target = int(self._logits(image[None])[0].argmax())
        size_hw = (image.shape[-2], image.shape[-1])
        masks = random_squares(size_hw, SQUARES, np.random.default_rng((*seed, 2)))
        costs = losses(lambda images: self._logits(images)[:, target], image, blurred(image), masks)
        return _Case(image, target, masks, costs, seed)

    def _measure_method(self, case: _Case, name: str) -> Measured:
        scores, delta = self._explain(self._network, case, name)
        blind, _ = self._explain(self._unlearned, case, name)
        faithfulness = self._faithfulness(case, scores)
        values = {
            **faithfulness.values,
            "randomisation": rank_correlation(scores, blind),
            **({} if delta is None else {"completeness": abs(delta)}),
        }
        return Measured(values, faithfulness.curves)

    def _explain(self, network: nn.Module, case: _Case, name: str) -> tuple[Scores, float | None]:
        """Scores of the pixels (S, S) and, if the method has a path, the completeness delta."""
        parameters = self._parameters[name]
        method = method_named(name)
        subject = Subject(
            network, self._cam, case.image, (case.target,), preprocessing=self._preprocessing
        )
        found = method.run(subject, parameters, no_checkpoint)
        (values,) = finite(found.values, method)
        delta = found.convergence[0].completeness_delta if found.convergence else None
        return method.to_scores(values), delta

    def _faithfulness(self, case: _Case, scores: Scores) -> Measured:
        """Whether the pixels that a map ranks high carry the class's probability."""
        score = self._probability_of(case.target)
        image, ranks = case.image, pixel_ranks(scores)
        curves = {
            "insertion": exchange_curve(score, blurred(image), image, ranks, steps=STEPS),
            "deletion": exchange_curve(score, image, torch.zeros_like(image), ranks, steps=STEPS),
        }
        areas = {name: area_under(curve) for name, curve in curves.items()}
        for name, order in {"most": ranks, "least": ranks.size - 1 - ranks}.items():
            rng = np.random.default_rng(case.seed)
            curves[f"road_{name}"] = removal_curve(score, image, order, rng=rng)
        road = float((curves["road_least"] - curves["road_most"]).mean())
        values = {**areas, "road": road, "infidelity": infidelity(scores, case.masks, case.costs)}
        return Measured(values, curves)

    def _probability_of(self, target: int) -> Score:
        return lambda images: probabilities(self._logits(images), self._task)[:, target]

    @torch.no_grad()
    def _logits(self, images: Tensor) -> NDArray[np.float32]:
        images = images.contiguous(memory_format=torch.channels_last)
        logits: NDArray[np.float32] = self._network(images).cpu().numpy()
        return logits


def _parameters(name: str, n_steps: int | None) -> XaiParameters:
    """With the completeness delta, where there is one."""
    has_path = method_named(name).path is not None
    return XaiParameters.model_validate(
        {"xai_algorithm": name, "n_steps": n_steps, "return_delta": has_path}
    )
