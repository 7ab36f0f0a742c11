import pytest
import torch
from captum.attr import GuidedGradCam, LayerAttribution, LayerGradCam
from torch import Tensor, nn

from inference.families import FAMILIES, CamLayer
from xai.methods.gradcam import gradcam
from xai.methods.guided_gradcam import guided_gradcam
from xai.tap import tapped


class TwoChannels(nn.Module):
    """Layer: channels x0 and -x0; output: mean of 3·first - 1·second, through one more layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 1, bias=False)
        self.layer.weight = nn.Parameter(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        self.head = nn.Linear(2, 1, bias=False)
        self.head.weight = nn.Parameter(torch.tensor([[3.0, -1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).mean(dim=(2, 3)))


def test_a_pencil_case() -> None:
    x = torch.tensor([[[1.0, -2.0], [0.0, 4.0]]])
    result = guided_gradcam(TwoChannels(), CamLayer("layer"), x, (0,))
    # Mean gradients 3/4 and -1/4; map ReLU(3/4 · x + 1/4 · x) = ReLU(x); gradient of the input 1.
    torch.testing.assert_close(result, torch.tensor([[[[1.0, 0.0], [0.0, 4.0]]]]))
    plain = gradcam(TwoChannels(), CamLayer("layer"), x, (0,))
    torch.testing.assert_close(plain, torch.tensor([[[1.0, 0.0], [0.0, 4.0]]]))


def random_family(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FAMILIES[name].build(num_classes=3, image_size=64, pretrained=False)
    return network.eval().requires_grad_(False)


def noise() -> Tensor:
    return torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:Setting backward hooks:UserWarning")  # captum announces them
@pytest.mark.parametrize("target", [0, 1, 2])
def test_resnet18_is_explained_as_by_captum(target: int) -> None:
    network = random_family("resnet18")
    expected = GuidedGradCam(network, network.layer4).attribute(
        noise()[None].requires_grad_(), target=target, interpolate_mode="bilinear"
    )
    actual = guided_gradcam(network, CamLayer("layer4"), noise(), (target,))
    torch.testing.assert_close(actual, expected.detach(), atol=1e-6, rtol=0)


def test_maps_are_captums() -> None:
    network = random_family("resnet18")
    maps = gradcam(network, CamLayer("layer4"), noise(), (0, 1, 2))
    assert maps.shape == (3, 64, 64)
    for target, actual in enumerate(maps):
        coarse = LayerGradCam(network, network.layer4).attribute(
            noise()[None].requires_grad_(), target=target, relu_attributions=True
        )
        expected = LayerAttribution.interpolate(coarse, (64, 64), "bilinear")[0, 0]
        torch.testing.assert_close(actual, expected.detach(), atol=1e-7, rtol=1e-4)


def test_vision_transformers_have_a_map_too() -> None:
    network, cam = random_family("vits16r224"), FAMILIES["vits16r224"].cam
    results = guided_gradcam(network, cam, noise(), (0, 1, 2))
    assert results.shape == (3, 3, 64, 64)
    assert (results.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_the_map_uses_the_plain_gradient() -> None:
    """Behind a transformer's layer there are activations, which must not be guided for the map."""
    network = random_family("vits16r224")
    cam, outputs = FAMILIES["vits16r224"].cam, []
    x = noise()[None].requires_grad_()
    logits = tapped(network, cam.name, outputs.append)(x)
    (slope,) = torch.autograd.grad(logits[0, 0], outputs[0])
    weights = cam.to_map(network, slope).mean(dim=(2, 3), keepdim=True)
    coarse = (weights * cam.to_map(network, outputs[0])).sum(1, keepdim=True).relu()
    enlarged = nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")
    result = guided_gradcam(network, cam, noise(), (0,))
    assert (result[0][:, enlarged[0, 0] == 0] == 0).all()
    assert (result[0][:, enlarged[0, 0] > 0.01 * enlarged.max()] != 0).any()


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenetv2", "seresnext", "resnest50", "vits16r224"]
)
def test_a_tap_hands_over_an_output_and_leaves_the_network_as_it_is(name: str) -> None:
    network, x, outputs = random_family(name), noise()[None], []
    before = {key: id(module) for key, module in network.named_modules()}
    logits = tapped(network, FAMILIES[name].cam.name, outputs.append)(x)
    torch.testing.assert_close(logits, network(x), atol=0, rtol=0)
    assert len(outputs) == 1
    assert FAMILIES[name].cam.to_map(network, outputs[0]).ndim == 4
    assert {key: id(module) for key, module in network.named_modules()} == before


def test_a_tap_needs_a_module() -> None:
    with pytest.raises(AttributeError, match="layer9"):
        tapped(random_family("resnet18"), "layer9", print)
