"""All measures of a detector's explanations, of one image at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.model_folder import ModelFolder
from inference.schema import XaiParameters
from xai.detection.explainer import DetectorExplainer
from xai.detection.explanation import DetectorExplanation
from xai.quality.measures import Measured
from xai.quality.objects import LabelledObject, matches, region
from xai.quality.pointing import pointing_game, relevance_mass
from xai.quality.references import REFERENCES

Map = NDArray[np.float32]


class DetectorJudge:
    """Explains what a detector finds and measures how well it lies on the labelled objects."""

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
            results[name] = _mean([(maps[place], inside) for place, inside in regions.items()])
        for name, reference in REFERENCES.items():
            scores = reference(explanation.image_rgb, np.random.default_rng(seed))
            results[name] = _mean([(scores, inside) for inside in regions.values()])
        return results


def _regions(
    explanation: DetectorExplanation, objects: Sequence[LabelledObject]
) -> dict[int, NDArray[np.bool_]]:
    """Pixels of the labelled object that each explained detection belongs to, by its place."""
    height, width = explanation.image_rgb.shape[:2]
    return {
        place: region(item, (height, width))
        for place, item in matches(explanation.found, objects)
        if place in explanation.explained
    }


def _mean(pairs: Sequence[tuple[Map, NDArray[np.bool_]]]) -> Measured:
    measures = {"pointing_game": pointing_game, "relevance_mass": relevance_mass}
    return Measured(
        {
            name: float(np.mean([measure(map_, inside) for map_, inside in pairs]))
            for name, measure in measures.items()
        }
    )
