"""The small residual network of the CIFAR experiments."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from latih._checks import whole, within

from ._base import ModelSpec
from ._blocks import Style, conv, conv_block, head, image_shape


def resnet(
    blocks: int = 2, width: int = 16, activation: str = "relu()", norm: str = "batch()", dropout: float = 0.0
) -> ModelSpec:
    """Adds skip connections, so that gradients reach the first layers of a deep convolutional network unhindered.

    Three stages of `blocks` residual blocks (two 3x3 convolutions each) with `width`, 2·`width` and 4·`width`
    channels, 6·`blocks` + 2 layers in all (He et al., 2016, section 4.2); a strided 1x1 convolution carries the skip
    where the shape changes. With batch norm the scale of a block's last norm starts at 0, so that every block starts
    as the identity (Goyal et al., 2017).

    Raises `InputError` for inputs that are not images, blocks or width below 1, or a dropout outside [0, 1).

    >>> resnet(blocks=1, width=4)((1, 28, 28), 10)(__import__("torch").zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    whole("resnet", "blocks", blocks, 1)
    whole("resnet", "width", width, 1)
    within("resnet", "dropout", dropout, 0.0, 0.99)
    style = Style.read(activation, norm, 0.0)

    def build(shape: tuple[int, ...], outputs: int) -> nn.Module:
        channels = image_shape("resnet", shape)[0]
        parts: OrderedDict[str, nn.Module] = OrderedDict(stem=conv_block(channels, width, style))
        channels = width
        for stage in range(3):
            wide = width * 2**stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            sources = [channels] + [wide] * (blocks - 1)
            parts[f"stage{stage + 1}"] = nn.Sequential(
                *(Residual(source, wide, stride, style) for source, stride in zip(sources, strides, strict=True))
            )
            channels = wide
        parts["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        parts["head"] = head(channels, outputs)
        return nn.Sequential(parts)

    options = dict(blocks=blocks, width=width, activation=activation, norm=norm, dropout=dropout)
    return ModelSpec(resnet, build, options)


class Residual(nn.Module):
    """`activation(skip(x) + branch(x))` with two convolutions in the branch."""

    def __init__(self, fan_in: int, fan_out: int, stride: int, style: Style) -> None:
        super().__init__()
        first = OrderedDict(conv1=conv(fan_in, fan_out, 3, style, stride), **style.tail(fan_out, 2))
        last = conv(fan_out, fan_out, 3, style)
        self.branch = nn.Sequential(first | OrderedDict(conv2=last, norm2=style.norm(fan_out, 2)))
        self.skip = nn.Identity()
        if stride != 1 or fan_in != fan_out:
            self.skip = nn.Sequential(conv(fan_in, fan_out, 1, style, stride), style.norm(fan_out, 2))
        self.activation = style.activation()
        scale = getattr(self.branch.norm2, "weight", None)
        if isinstance(scale, Tensor):
            nn.init.zeros_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, fan_in, h, w) -> (batch, fan_out, h/stride, w/stride)."""
        return self.activation(torch.add(self.skip(x), self.branch(x)))
