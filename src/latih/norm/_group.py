"""Group normalisation."""

from typing import get_args

from torch import nn

from latih._checks import InputError, at_least, one_of, positive
from latih._notation import written

from ._base import Norm, Where, spatial


def group(groups: int = 8, where: Where = "before", eps: float = 1e-5) -> Norm:
    """Standardises groups of channels within each example: close to batch norm on images, for any batch size.

    y = γ·(x - mean)/sqrt(variance + eps) + β, mean and biased variance over one group of channels and all positions of
    one example; γ and β per channel. One group is `layer` for images, as many groups as channels is instance norm.

    The paper and Keras have 32 groups, torch no default; 8 divides the narrow layers of small networks too. torch's
    eps is 1e-5, Keras's 1e-3. It acts the same in training and evaluation. The layer in front keeps its bias.

    Use it for images when memory allows only a few examples a batch. It hurts little: with large batches `batch` is
    usually somewhat better and faster at evaluation, where it can be folded into the layer in front.

    Source: Wu & He (2018), equation 7. Raises `InputError` for an unknown place, an eps that is not above 0, groups
    that are not an integer of at least 1, and, once the features are known, groups that do not divide them.

    >>> group(4)(64, dims=2).num_groups
    4
    """
    at_least("group", "groups", groups, 1)
    if not isinstance(groups, int):
        raise InputError(f"group(groups={groups!r}): groups must be an integer.")
    one_of("group", "where", where, get_args(Where))
    positive("group", "eps", eps)

    def build(features: int, dims: int) -> nn.Module:
        spatial("group", dims)
        if features % groups:
            near = max(divisor for divisor in range(1, min(groups, features) + 1) if features % divisor == 0)
            raise InputError(f"group(groups={groups}): groups must divide the {features} features; try groups={near}.")
        return nn.GroupNorm(groups, features, eps=eps)

    return Norm(written(group, groups=groups, where=where, eps=eps), build, where)
