from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.schema import Encoding
from xai.encoding import encoded

VALUES = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)


def decoded(text: object) -> NDArray[np.floating]:
    assert isinstance(text, str)
    array: NDArray[np.floating] = np.load(BytesIO(b64decode(text, validate=True)))
    return array


def test_a_list_is_left_to_the_serialiser() -> None:
    assert encoded(VALUES, "list") is VALUES


def test_float32_comes_back_as_it_was() -> None:
    array = decoded(encoded(VALUES, "npy_f32"))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, VALUES)


def test_float16_is_half_as_long_and_rounded() -> None:
    array = decoded(encoded(VALUES, "npy_f16"))
    assert array.dtype == np.float16
    np.testing.assert_allclose(array, VALUES, rtol=5e-4)
    large = np.zeros((3, 64, 64), np.float32)
    short, long = (len(str(encoded(large, name))) for name in ("npy_f16", "npy_f32"))
    assert short < 0.51 * long


@pytest.mark.parametrize("encoding", ["npy_f16", "npy_f32"])
def test_no_number_becomes_infinite(encoding: Encoding) -> None:
    array = decoded(encoded(np.asarray([1e38, -1e38, 1e-30], np.float32), encoding))
    assert np.isfinite(array).all()
    assert array[0] > 60000
    assert array[1] < -60000


def test_a_view_is_written_in_its_own_order() -> None:
    view = VALUES.transpose(2, 0, 1)[:, ::2]
    np.testing.assert_array_equal(decoded(encoded(view, "npy_f32")), view)
