import pytest

from training.report.plots import Axis, Columns, Dots, Line, chart, legend, path

X, Y = Axis("x", 0, 10), Axis("y", 0, 1)


@pytest.mark.parametrize(
    ("points", "commands"),
    [
        ([(0, 0)], "M54.0 256.0"),
        ([(0, 0), (10, 1)], "M54.0 256.0L446.0 10.0"),
        ([(5, 0.5)], "M250.0 133.0"),
    ],
)
def test_a_path_goes_from_bottom_left_to_top_right(points, commands):
    assert path(points, X, Y) == commands


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 0), [0]),
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("", 3, 17), [5, 10, 15]),
        (Axis("", 1, 2), [1, 1.2, 1.4, 1.6, 1.8, 2]),
        (Axis("", 1, 2, min_step=1), [1, 2]),
        (Axis("", 0.0005, 0.2, is_log=True), [0.001, 0.01, 0.1]),
        (Axis("", 0.02, 0.05, is_log=True), [0.02, 0.05]),
        (Axis("", -0.5, 1.5, names=("a", "b")), [0, 1]),
    ],
)
def test_ticks_are_round_and_lie_between_the_ends(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("axis", "value", "place"),
    [
        (Axis("", 0, 10), 2.5, 0.25),
        (Axis("", 3, 3), 3, 0.5),
        (Axis("", 0.01, 1, is_log=True), 0.1, 0.5),
    ],
)
def test_a_value_has_its_place_between_the_ends(axis, value, place):
    assert axis.place(value) == pytest.approx(place)


def test_columns_stand_on_zero():
    svg = Columns([0, 5, 10], [1, 0.5], "c0", ["a", "b"]).svg(X, Y)
    assert 'x="54.0" y="10.0" width="196.0" height="246.0"' in svg
    assert 'x="250.0" y="133.0" width="196.0" height="123.0"' in svg


def test_a_line_of_one_point_is_a_dot():
    assert "<circle" in Line([(5, 0.5)], "c0").svg(X, Y)


def test_text_of_charts_is_escaped():
    bad = '<b>&"'
    drawn = chart(
        Axis(bad, 0, 1, names=(bad,)),
        Axis(bad, 0, 1),
        [Line([(0, 0), (1, 1)], "c0", bad), Dots([(0, 0)], "c0", [bad])],
        title=bad,
    )
    assert "<b>" not in drawn + legend([("c0", bad)])
