import pytest

from deploy.errors import UsageError
from deploy.weights import as_words, read_weights


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (["a=100"], {"a": 100}),
        (["A=90", "B=10"], {"a": 90, "b": 10}),
        (["new=0", "old=100"], {"new": 0, "old": 100}),
        (["a-1=33", "b-2=33", "c=34"], {"a-1": 33, "b-2": 33, "c": 34}),
    ],
)
def test_weights_are_read_in_their_order(words: list[str], weights: dict[str, int]) -> None:
    assert list(read_weights(words).items()) == list(weights.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no model is named"),
        (["a=90", "b=9"], r"weights must sum to 100, but a=90 \+ b=9 is 99"),
        (["a=101"], "the weight of 'a' must be a whole number in 0…100, got '101'"),
        (["a=-1", "b=101"], "the weight of 'a' must be a whole number in 0…100, got '-1'"),
        (["a=50.5", "b=49.5"], "must be a whole number in 0…100, got '50.5'"),
        (["a=50", "A=50"], "model 'a' is named twice"),
        (["a"], "expected NAME=VALUE, got 'a'"),
        (["a="], "expected NAME=VALUE, got 'a='"),
        (["1a=100"], "the name '1a' must be at most 40 letters, digits and hyphens"),
        (["a_b=100"], "the name 'a_b'"),
        (["a" * 41 + "=100"], "at most 40"),
    ],
)
def test_a_mistake_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_weights(words)


def test_weights_are_written_as_they_are_given() -> None:
    assert as_words(read_weights(["A=90", "B=10"])) == "a=90 b=10"
