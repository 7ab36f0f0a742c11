from collections.abc import Callable

from inference.compiled import compiled


def without_a_file() -> Callable[[int], int]:
    """A function whose source numba cannot find, so that there is no folder for its cache."""
    namespace: dict[str, Callable[[int], int]] = {}
    exec("def double(x):\n    return 2 * x", namespace)
    return namespace["double"]


def test_without_a_place_for_a_cache_functions_still_compile() -> None:
    assert compiled(without_a_file())(21) == 42
