"""Root-mean-square normalisation."""

from typing import get_args

import torch.nn.functional as F
from torch import Tensor, nn

from latih._checks import one_of, positive
from latih._notation import written

from ._base import Norm, Where, spatial


def rms(where: Where = "before", eps: float | None = None) -> Norm:
    """Scales every example to unit root mean square without centring it: layer norm's effect at less cost.

    y = γ·x/sqrt(mean(x²) + eps), over the features of one example (the last dimension). For images (dims >= 1) over the
    channels of each position. No mean is taken out and no shift added.

    `eps=None` is the smallest step of the inputs' dtype (1.2e-7 in float32), as in torch; Keras has 1e-6. It acts the
    same in training and evaluation. The layer in front keeps its bias, which is the only shift left.

    Use it where `layer` is used, above all in transformers. It hurts where the signal has a large mean (behind relu or
    sigmoid): the mean then takes up most of the scale.

    Source: Zhang & Sennrich (2019), equation 4. Raises `InputError` for an unknown place or an eps that is not above 0.

    >>> import torch
    >>> rms()(2)(torch.tensor([30.0, 40.0])).detach().square().mean().round(decimals=3)
    tensor(1.)
    """
    one_of("rms", "where", where, get_args(Where))
    if eps is not None:
        positive("rms", "eps", eps)

    def build(features: int, dims: int) -> nn.Module:
        return ChannelRMSNorm(features, eps=eps) if spatial("rms", dims) else nn.RMSNorm(features, eps=eps)

    return Norm(written(rms, where=where, eps=eps), build, where)


class ChannelRMSNorm(nn.RMSNorm):
    """RMSNorm over the channels of (batch, channels, *positions)."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        return F.rms_norm(x.movedim(1, -1), self.normalized_shape, self.weight, self.eps).movedim(-1, 1)
