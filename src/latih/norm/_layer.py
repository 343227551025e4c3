"""Layer normalisation."""

from typing import get_args

from torch import nn

from latih._checks import one_of, positive
from latih._notation import written

from ._base import Norm, Where, spatial


def layer(where: Where = "before", eps: float = 1e-5) -> Norm:
    """Standardises every example over its own features, so training does not depend on the batch at all.

    y = γ·(x - mean)/sqrt(variance + eps) + β, mean and biased variance over the features of one example (of one
    position in a sequence, whose features are the last dimension). For images (dims >= 1) it is GroupNorm with one
    group: over all channels and positions of one image, with γ and β per channel. That is the paper's layer norm; the
    per-position one of ConvNeXt is another.

    torch's eps is 1e-5, Keras's 1e-3. It acts the same in training and evaluation. The layer in front keeps its bias:
    only the bias's mean over the features is taken out.

    Use it in transformers and recurrent networks, and for batches too small for `batch`. It hurts in convolutional
    networks, where `batch` and `group` usually do better: it ties channels of very different scale together.

    Source: Ba et al. (2016), equation 3. Raises `InputError` for an unknown place or an eps that is not above 0.

    >>> type(layer()(64)).__name__, type(layer()(64, dims=2)).__name__
    ('LayerNorm', 'GroupNorm')
    """
    one_of("layer", "where", where, get_args(Where))
    positive("layer", "eps", eps)

    def build(features: int, dims: int) -> nn.Module:
        return nn.GroupNorm(1, features, eps=eps) if spatial("layer", dims) else nn.LayerNorm(features, eps=eps)

    return Norm(written(layer, where=where, eps=eps), build, where)
