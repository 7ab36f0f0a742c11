"""The path engine: gradients along straight lines, for integrated gradients and XRAI.

Sundararajan et al., 2017, "Axiomatic Attribution for Deep Networks" (arXiv 1703.01365), eq. 1:
attribution_i = (x_i - b_i) · ∫ ∂f/∂x_i (b + α (x - b)) dα, with α from 0 to 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xai.gradients import Network, target_gradients
from xai.hoisting import Convolution, FirstConvolution
from xai.quadrature import Quadrature

Checkpoint = Callable[[], None]
_LARGE = 20 * 1024**3  # bytes of a GPU


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A straight line from `baseline` to `image`, both (C, H, W), followed for `targets`.

    targets are indices of the network's outputs; they share the forward pass.
    """

    image: Tensor
    baseline: Tensor
    targets: tuple[int, ...]


def default_chunk_size(device: torch.device) -> int:
    """How many points to evaluate at once: on CPUs more than 5 is slower, GPUs want to be full.

    50 points of ResNet-50 at 224 px take 2.2 GB, which small GPUs need for the scoring beside it.
    """
    if device.type == "cpu":
        return 5
    if device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory >= _LARGE:
        return 50
    return 25


def no_checkpoint() -> None:
    """Never interrupt."""


def integrate(
    network: Network,
    path: Path,
    rule: Quadrature,
    *,
    chunk_size: int | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> Tensor:
    """Integrate the gradients of the targets along a path: (targets, C, H, W).

    Points are worked off in chunks of about the same size: the memory of the passes depends on
    `chunk_size` alone. `checkpoint` is called before each chunk and may raise.
    """
    most = chunk_size or default_chunk_size(path.image.device)
    chunks = -(-len(rule.nodes) // most)
    nodes, weights = (
        torch.tensor(values, dtype=path.image.dtype, device=path.image.device).tensor_split(chunks)
        for values in (rule.nodes, rule.weights)
    )
    sums = _Sums(path)
    for some_nodes, their_weights in zip(nodes, weights, strict=True):
        checkpoint()
        sums.add(network, some_nodes, their_weights)
    return sums.total() * (path.image - path.baseline)


class _Sums:
    """Weighted sums of gradients along a path, taken behind a network's first convolution.

    A convolution is affine, and a path's points b + α (x - b) are so in α: its outputs there are
    conv(b) + α (conv(x) - conv(b)). The gradient by its inputs is linear in that by its outputs:
    their sum is taken back through it once. So it costs two passes per path instead of two per
    point, and the result is the same up to rounding. A network that begins otherwise is
    differentiated by its input.
    """

    def __init__(self, path: Path) -> None:
        self._targets = path.targets
        self._input = _Line(path.baseline, path.image, turns=len(path.targets))
        self._output: _Line | None = None
        self._convolution: Convolution | None = None

    def add(self, network: Network, nodes: Tensor, weights: Tensor) -> None:
        """Add the gradients at some points, all of which are evaluated at once."""
        leaf, points = self._input.points(nodes)
        leaves = [leaf]

        def answer(convolution: Convolution) -> Tensor:
            if self._output is None:
                self._convolution = convolution
                self._output = self._input.behind(convolution)
            leaf, outputs = self._output.points(nodes)
            leaves.append(leaf)
            return outputs

        with torch.enable_grad(), FirstConvolution(points, answer):
            logits = network(points)
        for turn, gradients in enumerate(target_gradients(logits, leaves, self._targets)):
            for line, gradient in zip((self._input, self._output), gradients, strict=False):
                if line is not None and gradient is not None:
                    line.sums[turn] += torch.einsum("n,nchw->chw", weights, gradient)

    def total(self) -> Tensor:
        """Return the sums by the network's input: (targets, C, H, W)."""
        by_input = self._input.sums
        if self._output is None or self._convolution is None:
            return by_input
        return by_input + self._convolution.pull_back(
            self._output.sums, shape_chw=by_input.shape[1:]
        )


class _Line:
    """A straight line between tensors (C, H, W), and sums (turns, C, H, W) for its gradients."""

    def __init__(self, begin: Tensor, end: Tensor, *, turns: int) -> None:
        ends = torch.stack([begin, end]).contiguous(memory_format=torch.channels_last)
        self._begin, self._change = ends[0], ends[1] - ends[0]
        self.sums = ends.new_zeros(turns, *begin.shape).contiguous(
            memory_format=torch.channels_last
        )

    def points(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Some points (N, C, H, W), and a leaf whose gradients are theirs.

        The points themselves are no leaf, since a network may write into its input.
        """
        with torch.enable_grad():
            leaf = self._begin.expand(len(nodes), *self._begin.shape).requires_grad_()
            return leaf, torch.addcmul(leaf, self._change, nodes[:, None, None, None])

    def behind(self, convolution: Convolution) -> "_Line":
        """Return this line as it comes out of a convolution."""
        begin, end = convolution(torch.stack([self._begin, self._begin + self._change]))
        return _Line(begin, end, turns=len(self.sums))
