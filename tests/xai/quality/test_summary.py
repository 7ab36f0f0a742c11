"""Means over images, and what the table says of them."""

import numpy as np
import pytest
from rich.console import Console

from inference.types import Task
from xai.quality.evaluate import Quality, chosen_methods
from xai.quality.measures import Measured
from xai.quality.show import print_quality, table_of
from xai.quality.summary import Mean, mean_of, row_of


@pytest.mark.parametrize(
    ("values", "mean"),
    [([2.0], Mean(2, None, 1)), ([1.0, 3.0], Mean(2, 1, 2)), ([4.0] * 5, Mean(4, 0, 5))],
)
def test_mean_and_standard_error_by_pencil(values, mean):
    assert mean_of(values) == mean


def test_a_row_has_what_was_measured_and_the_mean_of_its_curves():
    measured = [
        Measured({"road": 1.0, "deletion": 0.25}, {"deletion": np.array([1.0, 0.0])}),
        Measured({"deletion": 0.75}, {"deletion": np.array([0.5, 0.5])}),
    ]
    row = row_of("xrai", measured, is_reference=False)
    assert list(row.means) == ["deletion", "road"]
    assert row.means == {"deletion": Mean(0.5, 0.25, 2), "road": Mean(1, None, 1)}
    assert row.curves == {"deletion": [0.75, 0.25]}


def test_the_table_has_a_column_per_measure_taken_and_a_dash_where_there_is_none():
    rows = (
        row_of("xrai", [Measured({"deletion": 0.5, "completeness": 2.0})], is_reference=False),
        row_of("random", [Measured({"deletion": 0.75})] * 2, is_reference=True),
    )
    quality = Quality(Task.CLASSIFICATION, ("a",), 1, 0, rows, ())
    assert table_of(quality, digits=2) == (
        ["method", "deletion ↓", "delta ↓"],
        [["xrai", "0.50", "2.00"], ["(random)", "0.75±0.00", "–"]],
    )


def test_a_narrow_terminal_loses_no_figure(capsys):
    measured = {"insertion": 0.5, "deletion": 0.5, "road": -0.25, "infidelity": 0.125}
    measured |= {"randomisation": 0.5, "completeness": 2.0}
    rows = (row_of("integrated_gradients", [Measured(measured)] * 2, is_reference=False),)
    print_quality(Quality(Task.CLASSIFICATION, ("a",), 2, 0, rows, ()), Console(width=40))
    _, head, line = capsys.readouterr().out.splitlines()
    assert len(head) == len(line)
    assert line.split()[1:] == [f"{value:.2f}±0.00" for value in measured.values()]


def test_methods_are_those_of_the_task_and_each_is_measured_once():
    assert chosen_methods([], Task.DETECTION) == ("odam", "xrai")
    assert chosen_methods(["drise", "odam", "drise"], Task.SEGMENTATION) == ("drise", "odam")
    assert {"xrai", "guided_gradcam"} <= set(chosen_methods([], Task.MULTILABEL))
