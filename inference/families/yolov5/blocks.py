"""What the network is built of: convolutions, CSP stages (arXiv 1911.11929), pyramid pooling."""

import torch
from torch import Tensor, nn


class Conv(nn.Sequential):
    """A convolution, BatchNorm and SiLU; the sides stay, or are divided by `stride`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        padding = kernel // 2 if padding is None else padding
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.SiLU(),
        )


class Bottleneck(nn.Module):
    """A 1×1 and a 3×3 convolution, around which the input is added if it is `residual`."""

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.convs = nn.Sequential(Conv(channels, channels), Conv(channels, channels, kernel=3))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, channels, h, w)."""
        return x + self.convs(x) if self.residual else self.convs(x)


class C3(nn.Module):
    """A cross-stage partial stage: bottlenecks on one half of the channels, none on the other."""

    def __init__(self, inputs: int, outputs: int, *, repeats: int, residual: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.deep = nn.Sequential(
            Conv(inputs, half), *(Bottleneck(half, residual=residual) for _ in range(repeats))
        )
        self.shallow = Conv(inputs, half)
        self.fuse = Conv(2 * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h, w)."""
        return self.fuse(torch.cat((self.deep(x), self.shallow(x)), dim=1))


class PyramidPooling(nn.Module):
    """What each place sees within 1, 5, 9 and 13 cells: three chained 5×5 max pools (SPPF)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Conv(channels, channels // 2)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.fuse = Conv(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, channels, h, w)."""
        views = [self.reduce(x)]
        for _ in range(3):
            views.append(self.pool(views[-1]))
        return self.fuse(torch.cat(views, dim=1))
