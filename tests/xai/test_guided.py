import threading
from collections.abc import Callable, Iterator

import pytest
import torch
import torchvision
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F

from inference.families import FAMILIES, Family, classifier_named
from xai.guided import GuidedActivations
from xai.methods.guided_backprop import guided_backprop

LARGE = {"resnet101", "resnet152", "resnest101", "vitb16r224", "vitl16r224"}
SOME_FAMILIES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name
    for name, family in FAMILIES.items()
    if isinstance(family, Family)
]
X = (-4.0, -0.5, 0.5, 7.0)


def family_network(name: str, side: int = 64) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = classifier_named(name).build(num_classes=3, image_size=side, pretrained=False)
    return network.eval().requires_grad_(False)


def noise(side: int = 64) -> Tensor:
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(1))


def slopes(activation: Callable[[Tensor], Tensor]) -> Tensor:
    x = torch.tensor(X, requires_grad=True)
    return torch.autograd.grad(activation(x).sum(), x)[0]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu by keyword": lambda x: torch.relu(input=x),
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: x.relu_(),
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "F.relu6": F.relu6,
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "F.silu": F.silu,
    "nn.SiLU in place": nn.SiLU(inplace=True),
    "F.gelu": F.gelu,
    "nn.GELU, tanh": nn.GELU(approximate="tanh"),
    "F.hardswish": F.hardswish,
    "nn.Hardswish in place": nn.Hardswish(inplace=True),
}


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_only_positive_gradients_of_positive_inputs_pass(
    activation: Callable[[Tensor], Tensor],
) -> None:
    def plain(x: Tensor) -> Tensor:
        return activation(x.clone())

    outer = torch.tensor([[2.0], [-2.0]])
    x = torch.tensor([X, X], requires_grad=True)
    with GuidedActivations():
        y = plain(x)
    (gradient,) = torch.autograd.grad(y, x, outer.expand_as(y))
    torch.testing.assert_close(y.detach(), plain(x).detach())
    expected = 2.0 * slopes(plain) * (torch.tensor(X) > 0)
    torch.testing.assert_close(gradient, torch.stack([expected, torch.zeros(4)]))


def test_in_place_activations_still_write_in_place() -> None:
    x = torch.tensor(X, requires_grad=True)
    with GuidedActivations():
        y = x * 1.0
        F.relu(y, inplace=True)
    assert y.tolist() == [0.0, 0.0, 0.5, 7.0]
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert gradient.tolist() == [0.0, 0.0, 1.0, 0.0]


def test_a_hardtanh_that_is_no_rectifier_stays_as_it_is() -> None:
    x = torch.tensor([-0.5, 0.5], requires_grad=True)
    with GuidedActivations():
        y = F.hardtanh(x)
    assert torch.autograd.grad(y, x, -torch.ones(2))[0].tolist() == [-1.0, -1.0]


def test_resnet18_is_explained_as_by_captum() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.resnet18().eval()
    x = noise()
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        expected = GuidedBackprop(network).attribute(x[None].requires_grad_(), target=5)
    actual = guided_backprop(network, noise(), (5,))
    torch.testing.assert_close(actual, expected.detach(), atol=1e-6, rtol=0)


def nodes_of(root: torch.autograd.graph.Node) -> Iterator[torch.autograd.graph.Node]:
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(parent for parent, _ in node.next_functions)


RECTIFIERS = ("Relu", "Hardtanh", "Gelu", "Silu", "Hardswish", "LeakyRelu", "Elu", "Mish")


@pytest.mark.parametrize("name", SOME_FAMILIES)
def test_no_activation_of_a_family_is_missed(name: str) -> None:
    with GuidedActivations():
        logits = family_network(name)(noise()[None].requires_grad_())
    activations = [n for n in nodes_of(logits.grad_fn) if n.name().startswith(RECTIFIERS)]
    before = {parent.name() for node in activations for parent, _ in node.next_functions}
    assert len(activations) >= 12
    assert before == {"_GateBackward"}


@pytest.mark.parametrize("name", SOME_FAMILIES)
def test_guided_is_not_the_plain_gradient(name: str) -> None:
    network, x = family_network(name), noise()[None].requires_grad_()
    (plain,) = torch.autograd.grad(network(x)[0, 0], x)
    guided = guided_backprop(network, noise(), (0,))
    assert guided.isfinite().all()
    assert float((guided - plain).abs().max()) > 0.1 * float(plain.abs().max())


def test_disabled_the_graph_gives_the_plain_gradient() -> None:
    network, x = family_network("mobilenetv2"), noise()[None].requires_grad_()
    (plain,) = torch.autograd.grad(network(x)[0, 0], x)
    with GuidedActivations() as mode:
        logits = network(x)
    mode.enabled = False
    torch.testing.assert_close(torch.autograd.grad(logits[0, 0], x)[0], plain)


def test_other_threads_are_not_guided() -> None:
    network, x = family_network("resnet18"), noise()[None].requires_grad_()
    (plain,) = torch.autograd.grad(network(x)[0, 0], x)
    gradients = []

    def differentiate() -> None:
        gradients.append(torch.autograd.grad(network(x)[0, 0], x)[0])

    with GuidedActivations():
        thread = threading.Thread(target=differentiate)
        thread.start()
        thread.join()
    torch.testing.assert_close(gradients[0], plain)
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
