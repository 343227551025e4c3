"""What every model is made of: a layer, its norm, its activation, its dropout, initialised to fit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from latih import init
from latih._checks import InputError
from latih._notation import build
from latih.activations import Activation
from latih.norm import Norm

LayerT = TypeVar("LayerT", bound=nn.Module)


@dataclass(frozen=True)
class Style:
    """The choices that all layers of a network share."""

    activation: Activation
    norm: Norm
    dropout: float

    @classmethod
    def read(cls, activation: str, norm: str, dropout: float) -> Style:
        """Read the notation of both families."""
        chosen = build("activations", activation)
        if not chosen.elementwise and chosen.text.startswith("glu"):
            raise InputError("activation='glu()': glu halves its features; choose an elementwise activation.")
        return cls(chosen, build("norm", norm), dropout)

    def tail(self, features: int, dims: int) -> OrderedDict[str, nn.Module]:
        """Norm, activation and dropout, in their order, behind a layer of `features` channels."""
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if self.norm.build is not None and self.norm.where == "before":
            parts["norm"] = self.norm(features, dims)
        parts["activation"] = self.activation()
        if self.norm.build is not None and self.norm.where == "after":
            parts["norm"] = self.norm(features, dims)
        if self.dropout:
            selu = isinstance(parts["activation"], nn.SELU)
            parts["dropout"] = nn.AlphaDropout(self.dropout) if selu else nn.Dropout(self.dropout)
        return parts


def dense_block(fan_in: int, fan_out: int, style: Style) -> nn.Sequential:
    """Linear -> norm -> activation -> dropout."""
    linear = _initialised(nn.Linear(fan_in, fan_out, bias=style.norm.bias), style.activation.init)
    return nn.Sequential(OrderedDict(linear=linear, **style.tail(fan_out, 0)))


def conv(fan_in: int, fan_out: int, size: int, style: Style, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the image size (at stride 1), initialised to fit the style's activation."""
    layer = nn.Conv2d(fan_in, fan_out, size, stride, padding=size // 2, bias=style.norm.bias)
    return _initialised(layer, style.activation.init)


def conv_block(fan_in: int, fan_out: int, style: Style) -> nn.Sequential:
    """3x3 convolution -> norm -> activation -> dropout."""
    return nn.Sequential(OrderedDict(conv=conv(fan_in, fan_out, 3, style), **style.tail(fan_out, 2)))


def head(fan_in: int, outputs: int) -> nn.Linear:
    """The output layer: no activation follows it, so its weights are drawn by Glorot's rule."""
    return _initialised(nn.Linear(fan_in, outputs), "glorot()")


def image_shape(call: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width), or the sentence that says why a convolution does not fit."""
    if len(shape) != 3:
        raise InputError(
            f"{call} needs images (channels, height, width), and the inputs have shape {shape}; choose mlp instead."
        )
    channels, height, width = shape
    return channels, height, width


def _initialised(layer: LayerT, rule: str) -> LayerT:
    init.apply(layer, build("init", rule))
    return layer
