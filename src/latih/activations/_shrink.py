"""The shrink functions: small signals are taken for noise and removed, large ones pass.

They are linear far from 0, hence Glorot's rule and no saturation at either end; flat in the middle instead. Deep stacks
of them lose the signal at any scale of the weights: they are for sparse coding, not for hidden layers.
"""

from functools import partial

from torch import nn

from latih._checks import positive
from latih._notation import written

from ._base import Activation


def softshrink(limit: float = 0.5) -> Activation:
    """Removes signals below a limit and pulls the others towards 0 by it, which makes codes sparse.

    f(z) = sign(z)·max(|z| - limit, 0): the proximal step of an l1 penalty. torch calls the limit `lambd`.

    Use it in sparse coding and denoising (unrolled ISTA). It hurts in deep hidden layers: every layer takes `limit` off
    each signal, and units within the limit pass no gradient.

    Source: Donoho (1995). Raises `InputError` for a limit that is not above 0.

    >>> import torch
    >>> softshrink()()(torch.tensor([-2.0, 0.3]))
    tensor([-1.5000,  0.0000])
    """
    positive("softshrink", "limit", limit)
    return Activation(written(softshrink, limit=limit), partial(nn.Softshrink, limit), init="glorot()")


def hardshrink(limit: float = 0.5) -> Activation:
    """Removes signals below a limit and passes the others unchanged, which makes codes sparse without bias.

    f(z) = z where |z| > limit, else 0: the proximal step of an l0 penalty. torch calls the limit `lambd`.

    Use it in sparse coding when the surviving values must keep their size. It hurts in deep hidden layers: units within
    the limit pass no gradient, and the jump at the limit is invisible to the gradient.

    Source: Donoho & Johnstone (1994). Raises `InputError` for a limit that is not above 0.

    >>> import torch
    >>> hardshrink()()(torch.tensor([-2.0, 0.3]))
    tensor([-2.,  0.])
    """
    positive("hardshrink", "limit", limit)
    return Activation(written(hardshrink, limit=limit), partial(nn.Hardshrink, limit), init="glorot()")


def tanhshrink() -> Activation:
    """Damps small signals smoothly and passes large ones, a shrink function without a kink.

    f(z) = z - tanh(z), slope tanh²(z): 0 at 0, near 1 beyond ±3.

    Use it in sparse coding when a smooth slope is wanted. It hurts in deep hidden layers: near 0 it is z³/3, so a
    signal of ordinary size all but vanishes in a few layers, and its gradient with it.

    Source: torch's name for z - tanh(z); the idea is that of Donoho (1995).

    >>> import torch
    >>> tanhshrink()()(torch.tensor([0.1, 4.0]))
    tensor([3.3201e-04, 3.0007e+00])
    """
    return Activation("tanhshrink()", nn.Tanhshrink, init="glorot()")
