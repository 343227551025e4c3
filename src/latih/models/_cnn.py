"""A plain convolutional network."""

from collections import OrderedDict

from torch import nn

from latih._checks import whole, within

from ._base import ModelSpec
from ._blocks import Style, conv_block, dense_block, head, image_shape


def cnn(
    depth: int = 3,
    width: int = 32,
    hidden: int = 128,
    activation: str = "relu()",
    norm: str = "batch()",
    dropout: float = 0.0,
) -> ModelSpec:
    """Stacks `depth` stages of two 3x3 convolutions, halving the image and doubling the channels from `width` on.

    Each stage ends in 2x2 max pooling while the image is larger than 1 pixel; the features are averaged over the
    image, pass one dense layer of `hidden` units, and reach the head. Dropout acts on the dense layer.

    Raises `InputError` for inputs that are not images, a depth, width or hidden below 1, or a dropout outside [0, 1).

    >>> cnn(depth=2, width=4)((3, 16, 16), 5)(__import__("torch").zeros(2, 3, 16, 16)).shape
    torch.Size([2, 5])
    """
    for name, value in (("depth", depth), ("width", width), ("hidden", hidden)):
        whole("cnn", name, value, 1)
    within("cnn", "dropout", dropout, 0.0, 0.99)
    style, dense_style = Style.read(activation, norm, 0.0), Style.read(activation, norm, dropout)

    def build(shape: tuple[int, ...], outputs: int) -> nn.Module:
        channels, *size = image_shape("cnn", shape)
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for stage in range(depth):
            wide = width * 2**stage
            parts[f"stage{stage + 1}"] = nn.Sequential(
                conv_block(channels, wide, style), conv_block(wide, wide, style), _halve(size)
            )
            channels, size = wide, [max(side // 2, 1) for side in size]
        parts["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        parts["dense"] = dense_block(channels, hidden, dense_style)
        parts["head"] = head(hidden, outputs)
        return nn.Sequential(parts)

    options = dict(depth=depth, width=width, hidden=hidden, activation=activation, norm=norm, dropout=dropout)
    return ModelSpec(cnn, build, options)


def _halve(size: list[int]) -> nn.Module:
    return nn.MaxPool2d(2) if min(size) > 1 else nn.Identity()
