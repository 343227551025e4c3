"""When two results of the same computation count as equal."""

from __future__ import annotations

import torch
from torch import Tensor

_TOLERANCE = {torch.float64: 1e-9, torch.complex128: 1e-9, torch.float32: 1e-4, torch.complex64: 1e-4}
_COARSE = 5e-2  # of 16 bits and fewer


def close(one: Tensor, other: Tensor) -> bool:
    """Whether the tensors are equal to within the rounding of a deep network, measured by the largest value.

    Another order of summation is all that this allows for; whole numbers must be the same.

    >>> values = torch.tensor([1000.0, 0.0])
    >>> close(values, values + 1e-3), close(values, values + 1.0)
    (True, False)
    """
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if torch.equal(one, other):
        return True
    if not (one.is_floating_point() or one.is_complex()):
        return False
    finite = one[one.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=0.0, atol=_TOLERANCE.get(one.dtype, _COARSE) * scale, equal_nan=True)
