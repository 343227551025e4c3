"""A fully connected network of any depth."""

import itertools
import math

from torch import nn

from latih._checks import whole, within

from ._base import ModelSpec
from ._blocks import Style, dense_block, head


def mlp(
    depth: int = 20, width: int = 100, activation: str = "selu()", norm: str = "none()", dropout: float = 0.0
) -> ModelSpec:
    """Stacks `depth` hidden layers of `width` units; the network on which unstable gradients show first.

    Hidden layers are linear -> norm -> activation -> dropout, initialised as the activation asks; selu gets alpha
    dropout, which keeps mean and variance. Inputs of any shape are flattened. `depth=0` is a linear model.

    Raises `InputError` for a negative depth, a width below 1, or a dropout outside [0, 1).

    >>> mlp(depth=2, width=8)((1, 4, 4), 3)(__import__("torch").zeros(5, 1, 4, 4)).shape
    torch.Size([5, 3])
    """
    whole("mlp", "depth", depth, 0)
    whole("mlp", "width", width, 1)
    within("mlp", "dropout", dropout, 0.0, 0.99)
    style = Style.read(activation, norm, dropout)

    def build(shape: tuple[int, ...], outputs: int) -> nn.Module:
        sizes = [math.prod(shape)] + [width] * depth
        hidden = [dense_block(fan_in, fan_out, style) for fan_in, fan_out in itertools.pairwise(sizes)]
        return nn.Sequential(nn.Flatten(), *hidden, head(sizes[-1], outputs))

    return ModelSpec(mlp, build, dict(depth=depth, width=width, activation=activation, norm=norm, dropout=dropout))
