"""Orthogonal weights."""

import torch
from torch import Tensor, nn

from latih._checks import positive
from latih._notation import written

from ._base import Initializer, fans


def orthogonal(gain: float = 1.0) -> Initializer:
    """Keeps the length of every signal vector, not only its average, so linear depth costs nothing at the start.

    W·Wᵀ = gain²·I, or Wᵀ·W where the layer widens; a convolution's weight is taken as the matrix (out, in·kernel). All
    singular values are `gain`, where those of random normal weights spread down to 0. Same as torch's `orthogonal_` and
    Keras's `Orthogonal`; drawn uniformly over all such matrices.

    Use it for recurrent weights and for deep linear or tanh stacks; with ReLU pass gain=sqrt(2). It hurts where time is
    short: it needs a QR decomposition per layer. A convolution as a whole is not norm-preserving under it.

    Source: Saxe et al. (2014). Raises `InputError` for a gain that is not above 0.

    >>> import torch
    >>> weight = orthogonal()(torch.empty(3, 5))
    >>> torch.allclose(weight @ weight.T, torch.eye(3), atol=1e-6)
    True
    """
    positive("orthogonal", "gain", gain)

    def fill(weight: Tensor, generator: torch.Generator | None) -> None:
        fans(weight)  # refuses what is not (out, in, *kernel)
        # a matrix of its own, at least in single precision: QR knows no half, and `weight` may be a transposed view
        dtype = torch.promote_types(weight.dtype, torch.float32)
        drawn = torch.empty(weight.shape, dtype=dtype, device=weight.device)
        weight.copy_(nn.init.orthogonal_(drawn, gain, generator=generator))

    return Initializer(written(orthogonal, gain=gain), fill)
