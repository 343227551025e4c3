"""Batch normalisation."""

from typing import get_args

from torch import nn

from latih._checks import InputError, one_of, positive, within
from latih._notation import written

from ._base import Norm, Where, spatial
from ._modules import BatchNorm1d, BatchNorm2d, BatchNorm3d

_MODULES = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)


def batch(where: Where = "before", momentum: float = 0.1, eps: float = 1e-5, keep_bias: bool = False) -> Norm:
    """Standardises every feature over the mini-batch: gradients stop vanishing and much larger learning rates work.

    y = γ·(x - mean)/sqrt(variance + eps) + β per feature, over the batch and all positions; γ starts at 1, β at 0. In
    training the batch's own mean and (biased) variance are used; for evaluation running values are kept,
    running ← (1 - momentum)·running + momentum·batch, the variance unbiased.

    `momentum` is torch's, the weight of the new value: 0.1 here is 0.9 in Keras, whose default 0.99 is 0.01 here.
    `eps` stands inside the root; torch has 1e-5, Keras 1e-3. Placed before the activation (the paper) it makes the
    bias of the layer in front useless, since β replaces it, so that bias is dropped unless `keep_bias`; placed after
    it, the layer keeps its bias, which then shifts the activation's input. `keep_bias` changes nothing there.

    The modules are torch's with one difference: a training batch of one value per channel, which is an error in torch
    and which the last batch of an epoch may be, is normalised with the running statistics and leaves them alone.

    Use it in convolutional and dense networks. It hurts with batches of fewer than about 16 (noisy statistics), with
    examples that are not independent, in recurrent networks, with selu, and whenever the model is evaluated in training
    mode or the other way round. It regularises a little: lower the dropout.

    Source: Ioffe & Szegedy (2015), algorithms 1 and 2. Raises `InputError` for an unknown place, a momentum outside
    (0, 1], an eps that is not above 0, a `keep_bias` that is no bool.

    >>> type(batch()(64, dims=2)).__name__, batch().bias, batch(where="after").bias
    ('BatchNorm2d', False, True)
    """
    one_of("batch", "where", where, get_args(Where))
    positive("batch", "momentum", momentum, "at 0 the running statistics would never move")
    within("batch", "momentum", momentum, 0.0, 1.0)
    positive("batch", "eps", eps)
    if not isinstance(keep_bias, bool):
        raise InputError(f"batch(keep_bias={keep_bias!r}): keep_bias must be True or False.")

    def build(features: int, dims: int) -> nn.Module:
        return _MODULES[spatial("batch", dims)](features, eps=eps, momentum=momentum)

    text = written(batch, where=where, momentum=momentum, eps=eps, keep_bias=keep_bias)
    return Norm(text, build, where, bias=keep_bias or where == "after")
