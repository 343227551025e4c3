"""Networks of timm; nothing is downloaded."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from latih import InputError
from latih.models.backbones import find, rebuild

pytestmark = pytest.mark.usefixtures("torchvision_operators")


@pytest.fixture(scope="module")
def resnet(torchvision_operators):
    import timm

    torch.manual_seed(0)
    return timm.create_model("resnet18").eval()


@pytest.fixture(scope="module")
def file(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("timm") / "resnet18.safetensors"
    save_file(resnet.state_dict(), path)
    return path


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_file_s_weights_give_the_features_of_the_network_that_was_saved(resnet, file):
    x = torch.randn(2, 3, 224, 224)
    backbone = find("timm:resnet18", weights=file)
    net = backbone.build(5).eval()
    assert (backbone.kind, backbone.shape, backbone.head) == ("images", (3, 224, 224), "fc")
    with torch.no_grad():
        expected = resnet.forward_head(resnet.forward_features(x), pre_logits=True)
        found = net.forward_head(net.forward_features(x), pre_logits=True)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert net(x).shape == (2, 5)


def test_the_preprocessing_is_the_one_that_timm_states(file):
    backbone = find("timm:resnet18.a1_in1k", weights=file)
    assert backbone.pixels.mean == (0.485, 0.456, 0.406)
    assert backbone.pixels.std == (0.229, 0.224, 0.225)


def test_as_many_outputs_as_were_pretrained_still_get_a_fresh_head(resnet, file):
    net = find("timm:resnet18", weights=file).build(1000)
    assert not torch.equal(net.fc.weight, resnet.fc.weight)
    assert torch.equal(net.conv1.weight, resnet.conv1.weight)


def test_what_was_saved_rebuilds_it_bit_for_bit(file):
    backbone = find("timm:resnet18", weights=file)
    net, x = backbone.build(5).eval(), torch.randn(2, 3, 224, 224)
    again = rebuild(backbone.name, backbone.config, 5).build(5, pretrained=False)
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(x), net(x))


def test_a_head_that_is_a_convolution_is_drawn_anew_too():
    pixels = {"size": [32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
    config = json.dumps({"source": "timm", "model": "resnetv2_50", "pixels": pixels})
    net = rebuild("timm:resnetv2_50", config, 3).build(300, pretrained=False).eval()
    head = net.head.fc
    assert isinstance(head, torch.nn.Conv2d)
    assert head.weight.var().item() * (2048 + 300) / 2 == pytest.approx(1.0, rel=0.02)
    with torch.no_grad():
        assert net(torch.randn(2, 3, 32, 32)).shape == (2, 300)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("timm:resnet81", "has no model 'resnet81'; did you mean 'resnet"),
        ("timm:", "has no model ''"),
        ("timm:hf-hub:somebody/something", "has no model"),
        ("timm:resnet18.imagenet", "knows no weights 'imagenet'.* it knows resnet18"),
        ("timm:deit_tiny_distilled_patch16_224", "not one plain layer"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_sentence(name, sentence):
    with pytest.raises(InputError, match=sentence):
        find(name)


def test_a_network_without_weights_asks_for_a_file():
    with pytest.raises(InputError, match="no pretrained weights for it; pass a file with weights="):
        find("timm:convnext_atto_rms")


def test_a_failing_download_is_one_sentence(offline):
    with pytest.raises(InputError, match=r"could not be fetched.*pass a \.safetensors file"):
        find("timm:resnet18")


def test_weights_of_another_network_are_refused(file):
    with pytest.raises(InputError):
        find("timm:resnet34", weights=file)


def test_weights_that_lack_a_layer_are_refused(resnet, tmp_path):
    state = {name: value for name, value in resnet.state_dict().items() if not name.startswith("layer1.0.conv1")}
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match=r"lacks 1 of the network's weights.*layer1.0.conv1.weight"):
        find("timm:resnet18", weights=tmp_path / "part.safetensors")


def test_a_file_without_a_head_or_with_another_one_serves_as_well(resnet, tmp_path):
    state = {name: value for name, value in resnet.state_dict().items() if not name.startswith("fc.")}
    save_file(state, tmp_path / "headless.safetensors")
    save_file(state | {"fc.weight": torch.randn(7, 512), "fc.bias": torch.randn(7)}, tmp_path / "seven.safetensors")
    for path in ("headless", "seven"):
        net = find("timm:resnet18", weights=tmp_path / f"{path}.safetensors").build(3)
        assert torch.equal(net.layer4[1].conv2.weight, resnet.layer4[1].conv2.weight)


def test_without_timm_the_way_to_get_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"pip install 'latih\[timm\]'"):
        find("timm:resnet18")
