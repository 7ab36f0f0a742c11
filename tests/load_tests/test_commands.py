"""What commands conclude, by the pencil."""

import math
from collections.abc import Callable, Sequence

import pytest

from load_tests.commands.overload import recovery_s
from load_tests.commands.poison import spread
from load_tests.commands.slo import highest_rate
from load_tests.commands.soak import mixed, slope_mb_per_min
from load_tests.outcomes import Outcome
from load_tests.payloads import Payload, make_photos

GOOD = [Payload(name, b"") for name in "ab"]
BAD = [Payload(name, b"", good=False) for name in "xy"]


@pytest.mark.parametrize(("capacity", "start"), [(37.0, 5.0), (1.3, 5.0), (5.0, 5.0), (900.0, 1.0)])
def test_highest_rate_is_within_the_precision(capacity: float, start: float) -> None:
    found = highest_rate(lambda rate: rate <= capacity, start=start, precision=0.05)
    assert capacity / 1.05 <= found <= capacity


@pytest.mark.parametrize(
    ("keeps", "found"), [(lambda rate: False, 0.0), (lambda rate: True, 81920.0)]
)
def test_highest_rate_ends_where_nothing_or_everything_passes(
    keeps: Callable[[float], bool], found: float
) -> None:
    assert highest_rate(keeps, start=5.0, precision=0.05) == found


def outcome(due_s: float, latency_s: float, code: str = "200") -> Outcome:
    return Outcome(GOOD[0], due_s, due_s + latency_s, code)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([], None),
        ([outcome(30.5, 0.1)], 0.5),
        ([outcome(30.5, 9.0), outcome(31.0, 0.1, "429"), outcome(32.0, 0.1)], 2.0),
        ([outcome(30.5, 0.1), outcome(31.0, 9.0)], None),
    ],
)
def test_recovery_is_when_all_later_requests_are_good_and_fast(
    after: Sequence[Outcome], expected: float | None
) -> None:
    assert recovery_s(after, end_s=30.0, limit_s=0.2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.0, 100.0)], 0.0),
        ([(0.0, 100.0), (60.0, 100.0), (120.0, 100.0)], 0.0),
        ([(0.0, 9.0), (60.0, 102.0), (120.0, 104.0), (180.0, 106.0)], 2.0),  # less the warm-up
    ],
)
def test_memory_slope(points: Sequence[tuple[float, float]], expected: float) -> None:
    assert slope_mb_per_min(points) == pytest.approx(expected)


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, "axay"), (0.25, "abaxabay")])
def test_damaged_payloads_are_spread_evenly(fraction: float, expected: str) -> None:
    traffic = spread(GOOD, BAD, fraction=fraction)
    assert "".join(payload.name for payload in traffic) == expected


def test_mixed_traffic_has_every_form() -> None:
    payloads = mixed(make_photos(2, size_wh=(40, 30)), explain=True)
    assert {payload.content_type for payload in payloads} == {"application/json", "image/jpeg"}
    assert {payload.images for payload in payloads} == {1, 4}
    assert sum(not payload.good for payload in payloads) == 1
    assert sum(b"model_explainability" in payload.body for payload in payloads) == 1


def test_made_photos_are_the_size_of_real_ones() -> None:
    (photo,) = make_photos(1)
    assert math.isclose(len(photo.data), 160_000, rel_tol=0.2)
    assert photo == make_photos(1)[0]
