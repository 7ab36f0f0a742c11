from typing import get_args

import pytest

from inference.errors import BadRequest
from inference.schema import Algorithm
from xai.methods import METHODS, Method, method_named, register


def test_requests_may_name_exactly_the_registered_methods() -> None:
    assert set(get_args(Algorithm)) == set(METHODS)
    assert all(name == method.name for name, method in METHODS.items())


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'xrai' is registered twice"):
        register(Method("xrai", METHODS["xrai"].run))


def test_an_unknown_name_is_helped() -> None:
    with pytest.raises(BadRequest, match="'guided_gradcm'; did you mean 'guided_gradcam'"):
        method_named("guided_gradcm")
