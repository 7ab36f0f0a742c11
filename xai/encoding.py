"""How the numbers of an explanation travel."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.schema import Encoding

_TYPES: dict[Encoding, type[np.floating[Any]]] = {"npy_f16": np.float16, "npy_f32": np.float32}


def encoded(attribution: NDArray[np.float32], encoding: Encoding) -> NDArray[np.float32] | str:
    """Leave an array to be serialised as a list, or return base64 of an .npy file of it.

    float16 keeps 3 digits of values from 6e-5 on and steps of 6e-8 below; what is beyond its range
    becomes its largest number.
    """
    if encoding == "list":
        return attribution
    dtype = _TYPES[encoding]
    largest = float(np.finfo(dtype).max)
    file = BytesIO()
    np.save(file, attribution.clip(-largest, largest).astype(dtype), allow_pickle=False)
    return b64encode(file.getvalue()).decode("ascii")
