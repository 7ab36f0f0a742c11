"""What torch's failures on a GPU mean to those who wait for a batch."""

from collections.abc import Callable

import torch

from inference.engine.base import Result
from inference.errors import DeviceLost


def guard(compute: Callable[[], Result]) -> Result:
    """Call something that works on the GPU and waits for its results.

    A GPU fails later than the call that is at fault, so that what only reads an engine's outputs
    must be called like this, too. Raises MemoryError when memory was short, which a smaller batch
    may pass, and DeviceLost when every later call would fail as well.
    """
    try:
        return compute()
    except torch.OutOfMemoryError as error:
        message = str(error)
    except torch.AcceleratorError as error:
        raise DeviceLost(f"the GPU failed: {error}") from error
    # Not in the handler: there the error's frames still hold the memory that is wanted back.
    torch.cuda.empty_cache()
    raise MemoryError(message)
