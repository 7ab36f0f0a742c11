"""Read the output of one module inside a network, without hooks: the network is not touched."""

import copy
from collections.abc import Callable

from torch import Tensor, nn


class _Tap(nn.Module):
    """A module whose outputs are handed to `receive` on their way."""

    def __init__(self, module: nn.Module, receive: Callable[[Tensor], None]) -> None:
        super().__init__()
        self.module = module
        self.receive = receive

    def forward(self, x: Tensor) -> Tensor:
        """Run the module."""
        output: Tensor = self.module(x)
        self.receive(output)
        return output


def tapped(network: nn.Module, name: str, receive: Callable[[Tensor], None]) -> nn.Module:
    """Return a network that hands the outputs of its module `name` ("blocks.11.norm1") over.

    Only the modules on the way to that one are copied, without their weights; the network itself
    stays as it is and can be used by other threads meanwhile.
    Raises AttributeError when there is no such module.
    """
    child_name, _, rest = name.partition(".")
    child = network.get_submodule(child_name)
    clone = copy.copy(network)
    clone._modules = dict(network._modules)
    clone._modules[child_name] = tapped(child, rest, receive) if rest else _Tap(child, receive)
    return clone
