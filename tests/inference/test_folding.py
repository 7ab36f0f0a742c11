import copy

import pytest
import torch
from torch import Tensor, nn

from inference.families import classifier_named
from inference.folding import fold_batch_norms


def with_statistics(network: nn.Module) -> nn.Module:
    """Batch norms as after training: not the identity that they start as."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                tensor.data.normal_(0, 0.1, generator=generator)
            for tensor in (module.running_var, module.weight):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    return network.eval().requires_grad_(False)


class Shared(nn.Module):
    """One convolution is read twice, the other norm follows no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.late = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        return self.late(torch.relu(self.norm(y) + y))


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x)) if x.sum() > 0 else x


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "resnest50", "seresnext"])
def test_all_norms_of_a_family_fold_and_the_function_stays(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = classifier_named(name).build(num_classes=3, image_size=64, pretrained=False)
    network = with_statistics(network)
    names = {key for key, _ in network.named_modules()}
    folded = fold_batch_norms(copy.deepcopy(network))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-5)
    assert norms(folded) == 0
    assert {key for key, _ in folded.named_modules()} == names
    assert not any(parameter.requires_grad for parameter in folded.parameters())


@pytest.mark.parametrize("network", [Shared(), Untraceable()], ids=["shared", "untraceable"])
def test_what_cannot_be_folded_stays(network: nn.Module) -> None:
    before = norms(network)
    network = with_statistics(network)
    x = torch.rand(1, 3, 4, 4)
    expected = network(x)
    assert norms(fold_batch_norms(network)) == before
    torch.testing.assert_close(network(x), expected)
