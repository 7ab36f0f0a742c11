"""Numba's compiler, set up so that it works from an installation that nobody may write to."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL; keep the machine code on disk where that is possible.

    The cache lies beside the source, else in the user's cache folder or in NUMBA_CACHE_DIR. Where
    none of them can be written, each process compiles for itself (a few seconds).
    """
    try:
        return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast(Callable[P, R], numba.njit(nogil=True)(function))
