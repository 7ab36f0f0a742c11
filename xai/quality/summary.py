"""From numbers of single images to the mean over all, with its standard error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xai.quality.measures import MEASURES, Measured


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over `images`, and its standard error s/√n; that is None for one image."""

    value: float
    standard_error: float | None
    images: int


@dataclass(frozen=True, slots=True)
class Row:
    """One method over all images; curves are means over the images, point by point."""

    method: str
    is_reference: bool
    means: Mapping[str, Mean]
    curves: Mapping[str, Sequence[float]]


def mean_of(values: Sequence[float]) -> Mean:
    """Of at least one value."""
    spread = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
    return Mean(float(np.mean(values)), spread, len(values))


def row_of(method: str, measured: Sequence[Measured], *, is_reference: bool) -> Row:
    """Join what was measured of one method; measures in the order of MEASURES."""
    means = {}
    for measure in MEASURES:
        values = [one.values[measure.name] for one in measured if measure.name in one.values]
        if values:
            means[measure.name] = mean_of(values)
    names = measured[0].curves if measured else ()
    curves = {
        name: np.mean([one.curves[name] for one in measured], axis=0).tolist() for name in names
    }
    return Row(method, is_reference, means, curves)


def rows_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For quality.json."""
    return [
        {
            "method": row.method,
            "is_reference": row.is_reference,
            "measures": {
                name: {
                    "mean": mean.value,
                    "standard_error": mean.standard_error,
                    "images": mean.images,
                }
                for name, mean in row.means.items()
            },
            "curves": dict(row.curves),
        }
        for row in rows
    ]
