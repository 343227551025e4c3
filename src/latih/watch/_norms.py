"""Norms of many tensors, with as few calls as possible."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from latih._shards import local

_LARGEST = 2**24


def leading(weight: Tensor) -> Tensor:
    """The weight, or what lies here of it; of more than 16 million values the first 16 million."""
    weight = local(weight.detach())
    return weight if weight.numel() <= _LARGEST else weight.reshape(-1)[:_LARGEST]


def norms(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The Euclidean norm of each, at least in float32; of one that is divided among processes, of what lies here."""
    held = [_dense(one) for one in tensors]
    return list(torch._foreach_norm(held)) if held else []  # pyright: ignore[reportPrivateImportUsage]


def together(tensors: Iterable[Tensor]) -> Tensor | None:
    """The norm of all as one long vector; None if there are none."""
    each = norms(tensors)
    if not each:
        return None
    return torch.stack([one.to(each[0]) for one in each]).norm()


def _dense(tensor: Tensor) -> Tensor:
    tensor = local(tensor.detach())
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
