"""The gated linear unit."""

from functools import partial

from torch import nn

from latih._checks import InputError
from latih._notation import written

from ._base import Activation


def glu(dim: int = -1) -> Activation:
    """Lets one half of the features gate the other half, keeping a linear path for the gradient.

    f(a, b) = a·sigmoid(b), where a and b are the two halves along `dim`: the output has half as many features, so it
    cannot stand in for a plain hidden activation; the layer in front must be twice as wide.

    `dim` is -1 as in torch; pass 1 for sequences and images with channels first.

    Use it in gated convolutional language models and, with other gates, in transformers. It hurts where parameters are
    short (the layer in front doubles), and gates driven far from 0 saturate.

    The weights in front want Var = 4/fan_in, since a gate near 1/2 keeps a quarter of the variance; for a layer n -> 2n
    that is Glorot's rule with gain sqrt(6) = 2.4495.

    Source: Dauphin et al. (2017), equation 1; Gehring et al. (2017), section 3.5, for the initialisation. Raises
    `InputError` for a dim that is not an integer.

    >>> import torch
    >>> glu()()(torch.zeros(3, 8)).shape
    torch.Size([3, 4])
    """
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise InputError(f"glu(dim={dim!r}): dim must be an integer; -1 is the last dimension.")
    return Activation(written(glu, dim=dim), partial(nn.GLU, dim), init="glorot(gain=2.4495)", elementwise=False)
