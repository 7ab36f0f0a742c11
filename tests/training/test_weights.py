import pytest
import torch
from safetensors.torch import save_file

from inference.errors import UsageError
from inference.families import classifier_named
from training.weights import Heads, initial_network, load_weights

FAMILY = classifier_named("resnet18")
HEADS = Heads(("fc",), ("a", "b", "c"))


def build(pretrained):
    return FAMILY.build(num_classes=3, image_size=32, pretrained=pretrained)


def network(classes):
    return FAMILY.build(num_classes=classes, image_size=32, pretrained=False)


def test_pretrained_weights_are_read_from_torchs_cache(tmp_path, monkeypatch):
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    public = network(1000)
    torch.save(public.state_dict(), checkpoints / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    built = initial_network("resnet18", build, heads=HEADS, pretrained=True, weights=None)
    assert torch.equal(built.layer4[1].conv2.weight, public.layer4[1].conv2.weight)
    assert built.fc.weight.shape == (3, 512)


def test_weights_that_cannot_be_fetched_name_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(UsageError, match=r"`pretrained: false`.*`weights: PATH`"):
        initial_network("resnet18", build, heads=HEADS, pretrained=True, weights=None)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "last.ckpt", "folder"])
def test_weights_of_every_kind_of_file_are_loaded(tmp_path, name):
    source, path = network(3), tmp_path / name
    if name == "w.safetensors":
        save_file(source.state_dict(), path)
    elif name == "w.pt":
        torch.save(source.state_dict(), path)
    elif name == "last.ckpt":
        prefixed = {f"network.{key}": value for key, value in source.state_dict().items()}
        torch.save({"state_dict": prefixed, "epoch": 3}, path)
    else:
        path.mkdir()
        save_file(source.state_dict(), path / "model.safetensors")
    target = network(3)
    load_weights(target, path, heads=HEADS)
    assert torch.equal(target.fc.weight, source.fc.weight)


def test_a_head_of_another_number_of_classes_stays_new(tmp_path):
    source, target = network(5), network(3)
    torch.save(source.state_dict(), tmp_path / "w.pt")
    head = target.fc.weight.clone()
    load_weights(target, tmp_path / "w.pt", heads=HEADS)
    assert torch.equal(target.conv1.weight, source.conv1.weight)
    assert torch.equal(target.fc.weight, head)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "do not exist"),
        (b"not weights", "cannot be read"),
        ({"a": torch.zeros(1)}, "do not fit this model: .*first 'conv1.weight'"),
        ([1, 2], "must hold a state dict"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path, content, message):
    path = tmp_path / "w.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UsageError, match=message):
        load_weights(network(3), path, heads=HEADS)
