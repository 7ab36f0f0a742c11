"""How many nodes XRAI needs: errors of fewer ones against 400 midpoints, on trained models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.timing import CONSOLE
from inference.image import decode_image
from inference.model_folder import ModelFolder, open_model_folder
from inference.preprocess import normalize
from inference.schema import ApproximationMethod, XaiParameters
from xai.explainer import Explainer
from xai.merging import region_map
from xai.segments import find_segments

_TRUTH = 400
_REFERENCE = "linspace 50"
_MIDPOINTS = (10, 16, 20, 25, 32, 50)
_MEASURES = ("pixels", "regions")

Maps = Mapping[str, NDArray[np.floating]]
Errors = Mapping[str, Mapping[str, float]]


def compare_nodes(folders: Sequence[Path], images: Sequence[Path]) -> None:
    """Print errors per model and number of nodes, and the least that do as well as the reference.

    Pixels: the attributions that XRAI ranks regions by, before it takes the highest channel;
    regions: its map. An error is Σ |result - truth| / Σ |truth|, the median over the images.
    """
    pixels = [decode_image(path.read_bytes()) for path in images]
    errors = {
        f"{number} {folder.facts.family}": _errors(folder, pixels)
        for number, folder in enumerate(map(open_model_folder, folders), start=1)
    }
    heads = [f"{name}: {measure}" for name in errors for measure in _MEASURES]
    table = Table("nodes", *heads, title=f"{len(images)} images, truth: {_TRUTH} midpoints")
    for rule in (_REFERENCE, *map(_midpoint, _MIDPOINTS)):
        cells = [
            f"{found[rule][measure]:.4f}" for found in errors.values() for measure in _MEASURES
        ]
        table.add_row(rule, *cells)
    CONSOLE.print(table)
    enough = [n for n in _MIDPOINTS if all(_is_as_good(found, n) for found in errors.values())]
    CONSOLE.print(f"as near as {_REFERENCE} everywhere from {enough[0] if enough else 'none'} on")


def _midpoint(count: int) -> str:
    return f"midpoint {count}"


def _is_as_good(errors: Errors, count: int) -> bool:
    mine, reference = errors[_midpoint(count)], errors[_REFERENCE]
    return all(mine[measure] <= reference[measure] for measure in _MEASURES)


def _errors(folder: ModelFolder, images: Sequence[NDArray[np.uint8]]) -> Errors:
    """The median over the images by rule and measure."""
    explainer = Explainer(folder)
    per_image = [_errors_of_image(explainer, image) for image in images]
    return {
        rule: {m: median(errors[rule][m] for errors in per_image) for m in _MEASURES}
        for rule in per_image[0]
    }


def _errors_of_image(explainer: Explainer, image: NDArray[np.uint8]) -> Errors:
    truth = _maps(explainer, image, _TRUTH, "riemann_middle")
    results = {_REFERENCE: _maps(explainer, image, 50, "linspace")}
    for count in _MIDPOINTS:
        results[_midpoint(count)] = _maps(explainer, image, count, "riemann_middle")
    return {
        rule: {measure: _relative(maps[measure], truth[measure]) for measure in _MEASURES}
        for rule, maps in results.items()
    }


def _maps(
    explainer: Explainer, image: NDArray[np.uint8], n_steps: int, method: ApproximationMethod
) -> Maps:
    explanation = explainer.explain(
        image,
        XaiParameters(
            xai_algorithm="integrated_gradients",
            baselines=["image_min", "image_max"],
            n_steps=n_steps,
            approximation_method=method,
        ),
    )
    (attribution,) = explanation.attributions
    segments = find_segments(normalize(explanation.crop_rgb[None])[0].transpose(1, 2, 0))
    regions = region_map(attribution.max(axis=0), segments, fast=True)
    return {"pixels": attribution, "regions": regions}


def _relative(result: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    return float(np.abs(result - truth).sum() / np.abs(truth).sum())
