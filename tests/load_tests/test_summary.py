import math
from collections.abc import Sequence

import pytest

from load_tests.answers import difference
from load_tests.outcomes import Measurement, Outcome
from load_tests.payloads import Payload
from load_tests.server_side import batch_histogram, stages_ms
from load_tests.summary import percentiles_ms, summarize

ONE = Payload("one", b"")
FOUR = Payload("four", b"", images=4)


@pytest.mark.parametrize(
    ("latencies_s", "expected_ms"),
    [
        ([0.25], (250, 250, 250, 250, 250, 250)),
        ([n / 1000 for n in range(1, 1001)], (500, 900, 950, 990, 999, 1000)),
        ([0.1] * 99 + [5.0], (100, 100, 100, 100, 5000, 5000)),
    ],
)
def test_percentiles_are_latencies_that_occurred(
    latencies_s: Sequence[float], expected_ms: Sequence[float]
) -> None:
    assert percentiles_ms(latencies_s) == pytest.approx(expected_ms)


def test_percentiles_of_nothing_are_not_numbers() -> None:
    assert all(math.isnan(value) for value in percentiles_ms([]))


def test_rates_count_good_answers_in_time_and_latencies_count_requests_due_in_time() -> None:
    outcomes = [
        Outcome(ONE, 9.0, 10.5, "200"),  # due before the begin: counts for the rate only
        Outcome(FOUR, 10.0, 10.2, "200"),
        Outcome(ONE, 11.0, 11.1, "429", "1"),
        Outcome(ONE, 11.5, 11.6, "500"),
        Outcome(ONE, 11.9, 12.9, "200"),  # answered after the end: counts for the latency only
    ]
    summary = summarize(Measurement(outcomes, 10.0, 2.0, 0.005))
    assert (summary.requests, summary.ok, summary.errors) == (4, 2, 2)
    assert summary.codes == {"200": 2, "429": 1, "500": 1}
    assert summary.requests_per_s == 1.0  # 2 in 2 s
    assert summary.images_per_s == 2.5  # 1 + 4
    assert (summary.p50_ms, summary.max_ms) == pytest.approx((200, 1000))
    assert summary.client_cpu_ms == pytest.approx(1.0)
    assert summary.error_share == 0.5


@pytest.mark.parametrize(
    ("code", "retry_after", "honest"),
    [
        ("429", "1", True),
        ("503", "2", True),
        ("429", None, False),
        ("500", "1", False),
        ("timeout", None, False),
    ],
)
def test_a_rejection_is_honest_with_its_status_and_retry_after(
    code: str, retry_after: str | None, honest: bool
) -> None:
    assert Outcome(ONE, 0.0, 0.1, code, retry_after).is_honest_rejection is honest


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([], [], 0.0),
        ({"p": [0.5, 0.5]}, {"p": [0.5, 0.5]}, 0.0),
        ({"p": [0.8, 0.2]}, {"p": [0.8, 0.16]}, 0.05),  # relative to 0.8
        ([{"labels": ["a"]}], [{"labels": ["b"]}], math.inf),
        ([0.5], [0.5, 0.5], math.inf),
        ({"a": 1}, {"b": 1}, math.inf),
        ({"score": 0.5}, {"score": 0.4}, 0.2),
        ([1], ["1"], math.inf),
        ([0.0], [0.0], 0.0),
    ],
)
def test_difference_of_answers(a: object, b: object, expected: float) -> None:
    assert difference(a, b) == pytest.approx(expected)


def test_stages_are_medians_of_good_answers() -> None:
    timings = ["decode;dur=1.0, queue;dur=4", "decode;dur=3.0", "decode;dur=2.0;desc=x", ""]
    good = [Outcome(ONE, 0.0, 0.1, "200", None, timing) for timing in timings]
    bad = Outcome(ONE, 0.0, 0.1, "500", None, "decode;dur=99")
    assert stages_ms([*good, bad]) == {"decode": 2.0, "queue": 4.0}


def test_batch_histogram_is_the_difference_of_two_readings() -> None:
    before = {"1.0": 5.0, "2.0": 5.0, "4.0": 5.0, "+Inf": 6.0}
    after = {"1.0": 7.0, "2.0": 10.0, "4.0": 10.0, "+Inf": 12.0}
    assert batch_histogram(before, after) == {"<=1.0": 2, "<=2.0": 3, "<=+Inf": 1}
    assert batch_histogram({}, {}) == {}


def test_what_asyncio_writes_out_of_a_measurement_does_not_grow_with_it() -> None:
    outcomes = [Outcome(ONE, 9.0, 10.5, "200")] * 5000
    assert len(repr(Measurement(outcomes, 0.0, 50.0, 0.0))) < 200
