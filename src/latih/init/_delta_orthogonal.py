"""Orthogonal convolutions."""

import torch
from torch import Tensor, nn

from latih._checks import positive
from latih._notation import written

from ._base import Initializer, fans


def delta_orthogonal(gain: float = 1.0) -> Initializer:
    """Keeps the length of every signal through a convolution, so that thousands of plain layers can be trained.

    The kernel is zero but for its central tap, which is an orthogonal matrix times `gain`: at the start the convolution
    treats every position alone and W·Wᵀ = gain²·I holds for the whole operator, which `orthogonal()` on the flattened
    kernel does not give. Exact for stride 1 with "same" padding and out >= in channels; where a layer narrows, the part
    of the signal outside of `out` directions is lost. A kernel of even size has its tap left of the middle. A matrix
    (a Linear layer) becomes `orthogonal(gain)`.

    Use it for very deep plain convolutional networks with tanh (gain slightly above 1) or, with gain=sqrt(2), ReLU. It
    hurts where neighbours matter from the first step and depth is small: the network starts blind to them.

    Source: Xiao et al. (2018), algorithm 1. Raises `InputError` for a gain that is not above 0.

    >>> conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    >>> image, _ = torch.randn(1, 3, 5, 5), delta_orthogonal()(conv.weight)
    >>> torch.allclose(conv(image).norm(), image.norm())
    True
    """
    positive("delta_orthogonal", "gain", gain)

    def fill(weight: Tensor, generator: torch.Generator | None) -> None:
        fans(weight)  # refuses what is not (out, in, *kernel)
        # a matrix of its own, at least in single precision: QR knows no half
        dtype = torch.promote_types(weight.dtype, torch.float32)
        drawn = torch.empty(weight.shape[:2], dtype=dtype, device=weight.device)
        centre = tuple((size - 1) // 2 for size in weight.shape[2:])
        weight.zero_()[(slice(None), slice(None), *centre)] = nn.init.orthogonal_(drawn, gain, generator=generator).to(
            weight.dtype
        )

    return Initializer(written(delta_orthogonal, gain=gain), fill)
