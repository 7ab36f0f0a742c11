"""Batch normalisation folded into the convolutions before it: the same function, fewer passes."""

from typing import cast

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold, in place, each BatchNorm2d that alone reads a convolution's output; return `network`.

    In evaluation mode both are affine, so outputs and gradients are the same up to rounding (1e-6
    relative). Modules keep their names; a folded normalisation becomes nn.Identity. A network that
    cannot be traced stays as it is.
    """
    for convolution_name, norm_name in _foldable_pairs(network):
        convolution = cast(nn.Conv2d, network.get_submodule(convolution_name))
        norm = cast(nn.BatchNorm2d, network.get_submodule(norm_name))
        folded = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
        network.set_submodule(convolution_name, folded)
        network.set_submodule(norm_name, nn.Identity())
    return network


def _foldable_pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Names of convolutions and of the batch norms that read them, each used exactly once."""
    try:
        graph = fx.symbolic_trace(network).graph
    except Exception:  # tracing runs the network's own code on proxies, which may raise anything
        return []
    modules = dict(network.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    called = [node.target for node in calls]
    return [
        (node.args[0].target, node.target)
        for node in calls
        if isinstance(modules[node.target], nn.BatchNorm2d)
        and node.args[0] in calls
        and isinstance(modules[node.args[0].target], nn.Conv2d)
        and len(node.args[0].users) == 1
        and called.count(node.target) == called.count(node.args[0].target) == 1
    ]
