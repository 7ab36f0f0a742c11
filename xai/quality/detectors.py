"""All measures of a detector's explanations, of one image at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inference.model_folder import ModelFolder
from inference.preprocess import IMAGENET_MEAN
from inference.schema import XaiParameters
from xai.detection.explainer import DetectorExplainer
from xai.detection.explanation import DetectorExplanation
from xai.quality.measures import Measured
from xai.quality.objects import LabelledObject, matches, region
from xai.quality.perturbation import area_under, blurred, exchange_curve, pixel_ranks
from xai.quality.pointing import pointing_game, relevance_mass
from xai.quality.recognition import recognition
from xai.quality.references import REFERENCES

STEPS = 10  # of insertion and deletion: fewer than for classifiers, since detectors are slow

Map = NDArray[np.float32]
Region = NDArray[np.bool_]


class DetectorJudge:
    """Explains what a detector finds, and measures whether the maps show what it needs for it."""

    def __init__(self, folder: ModelFolder, methods: Sequence[str], *, device: str = "cpu") -> None:
        """Load the network."""
        self._methods = tuple(methods)
        self._explainer = DetectorExplainer(folder, device=device, offline=True)

    def measure(
        self,
        image_rgb: NDArray[np.uint8],
        objects: Sequence[LabelledObject],
        seed: Sequence[int],
    ) -> dict[str, Measured]:
        """Measure every method, and the references, on the objects that were found: their mean.

        A found object is one of its class that overlaps a labelled one (`matches`) and that is
        explained. An image without any gives nothing.
        """
        results: dict[str, Measured] = {}
        for name in self._methods:
            parameters = XaiParameters.model_validate({"xai_algorithm": name})
            explanation = self._explainer.explain(image_rgb, parameters)
            regions = _regions(explanation, objects)
            if not regions:
                return {}
            maps = dict(zip(explanation.explained, explanation.maps, strict=True))
            results[name] = self._mean(explanation, maps, regions)
        for name, reference in REFERENCES.items():
            scores = reference(explanation.image_rgb, np.random.default_rng(seed))
            results[name] = self._mean(explanation, dict.fromkeys(regions, scores), regions)
        return results

    def _mean(
        self,
        explanation: DetectorExplanation,
        maps: Mapping[int, Map],
        regions: Mapping[int, Region],
    ) -> Measured:
        each = [
            self._of_object(explanation, place, maps[place], inside)
            for place, inside in regions.items()
        ]
        values, curves = each[0].values, each[0].curves
        return Measured(
            {name: float(np.mean([one.values[name] for one in each])) for name in values},
            {name: np.mean([one.curves[name] for one in each], axis=0) for name in curves},
        )

    def _of_object(
        self, explanation: DetectorExplanation, place: int, scores: Map, inside: Region
    ) -> Measured:
        """Whether a map lies on its object, and whether the object is lost with its high places."""
        found, small_rgb = explanation.found, explanation.image_rgb
        sides = np.array(small_rgb.shape[1::-1]) / np.array(found.size_hw[::-1])
        score = recognition(
            self._explainer,
            (found.detections.boxes_xyxy[place] * np.tile(sides, 2)).astype(np.float32),
            int(found.detections.label_ids[place]),
        )
        image = torch.from_numpy(small_rgb).permute(2, 0, 1).float()
        even = (255 * torch.tensor(IMAGENET_MEAN))[:, None, None].expand_as(image)
        ranks = pixel_ranks(scores)
        curves = {
            "insertion": exchange_curve(score, blurred(image), image, ranks, steps=STEPS),
            "deletion": exchange_curve(score, image, even, ranks, steps=STEPS),
        }
        values = {
            **{name: area_under(curve) for name, curve in curves.items()},
            "pointing_game": pointing_game(scores, inside),
            "relevance_mass": relevance_mass(scores, inside),
        }
        return Measured(values, curves)


def _regions(
    explanation: DetectorExplanation, objects: Sequence[LabelledObject]
) -> dict[int, Region]:
    """Pixels of the labelled object that each explained detection belongs to, by its place."""
    height, width = explanation.image_rgb.shape[:2]
    return {
        place: region(item, (height, width))
        for place, item in matches(explanation.found, objects)
        if place in explanation.explained
    }
