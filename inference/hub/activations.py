"""Activations of networks from hubs: which of them guided backpropagation has a rule for."""

from torch import Tensor, nn
from torch.nn import functional as F

_MODULES = ("torch.nn.modules.activation", "transformers.activations", "timm.layers.activations")
# Positive exactly where their input is, and rising there; computed by one call of torch.
_RECTIFIERS = frozenset(
    {"ReLU", "ReLU6", "SiLU", "GELU", "Hardswish", "GELUActivation", "SiLUActivation", "GELUTanh"}
)
_NO_RECTIFIERS = frozenset(
    {"Identity", "LinearActivation", "MultiheadAttention", "Sigmoid", "Hardsigmoid", "Softmax",
     "Tanh"}
)  # fmt: skip


class QuickGelu(nn.Module):
    """x · σ(1.702 x), as one call of SiLU, which the guided rule knows."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return F.silu(1.702 * x) / 1.702


def spell_activations(network: nn.Module) -> nn.Module:
    """Replace, in place, activations that are spelled out by the call that computes the same."""
    for name, module in list(network.named_modules()):
        spelled = type(module).__name__
        if spelled in ("NewGELUActivation", "FastGELUActivation", "AccurateGELUActivation"):
            network.set_submodule(name, nn.GELU(approximate="tanh"))
        elif spelled in ("QuickGELUActivation", "QuickGELU"):
            network.set_submodule(name, QuickGelu())
    return network


def has_guided_rule(network: nn.Module) -> bool:
    """Whether every activation module is one that the guided rule is right for."""
    return all(
        type(module).__name__ in _RECTIFIERS | _NO_RECTIFIERS
        for module in network.modules()
        if type(module).__module__ in _MODULES
    )
