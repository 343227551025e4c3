"""A batch of inputs, targets or outputs in a few numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ._loss_facts import Values

_MOST_FEATURES = 256
_MOST_VALUES = 2**20
"""Of larger tensors the first examples stand for all, but for what is not finite."""
_FEW = 1000


def values_of(tensor: Tensor) -> Values:
    """Shape, scale and what is odd about a tensor of (examples, ...); whole numbers and truth values count as numbers.

    >>> values = values_of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> values.mean, values.constant, values.feature_stds
    (3.5, 0.5, [1.0, 0.0])
    """
    tensor = tensor.detach()
    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    if tensor.numel() == 0 or tensor.is_complex() or tensor.layout != torch.strided:
        return Values(shape=shape, dtype=dtype)
    rows = tensor.reshape(len(tensor), -1) if tensor.dim() else tensor.reshape(1, 1)
    finite = float(rows.isfinite().sum()) / rows.numel()
    kept = max(_MOST_VALUES // rows.shape[1], 1)
    clean = rows[:kept].cpu().double().nan_to_num(0.0, 0.0, 0.0)
    features = clean if tensor.dim() < 3 else clean.reshape(-1, *shape[1:]).movedim(1, -1).reshape(-1, shape[1])
    stds, means = torch.std_mean(features, dim=0, correction=0)
    chosen = _extremes(stds)
    still = stds <= 1e-7 * (means.abs() + stds.max() + 1e-30)
    return Values(
        shape=shape,
        dtype=dtype,
        mean=float(clean.mean()),
        std=float(clean.std(correction=0)),
        low=float(clean.min()),
        high=float(clean.max()),
        non_finite=1.0 - finite,
        constant=float(still.double().mean()) if len(features) > 1 else 0.0,
        feature_means=means[chosen].tolist(),
        feature_stds=stds[chosen].tolist(),
        distinct=_distinct(clean),
        varies=float((clean != clean[:1]).any(1).sum()) / (len(clean) - 1) if len(clean) > 1 else 1.0,
    )


def _distinct(values: Tensor) -> int | None:
    if bool((values != values.round()).any()):
        return None
    count = len(values.unique())
    return count if count < _FEW else None


def _extremes(stds: Tensor) -> Tensor:
    if len(stds) <= _MOST_FEATURES:
        return torch.arange(len(stds))
    order = stds.argsort()
    return torch.cat([order[: _MOST_FEATURES // 2], order[-_MOST_FEATURES // 2 :]]).sort().values
