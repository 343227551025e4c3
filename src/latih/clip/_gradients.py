"""What every cut is made of: the gradients, their norm, a factor that never amplifies, the outcome.

Nothing here reads a number back to the host, or copies one to the device. Norms are taken at least in single precision.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from latih._checks import InputError
from latih._shards import by_rows, local

from ._base import Clipped


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of `parameters`, all of them dense."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for gradient in gradients:
        if gradient.layout != torch.strided:
            raise InputError(
                f"a gradient of shape {tuple(gradient.shape)} is sparse; clips need dense ones: build the embedding "
                "with sparse=False, or leave it out of the clip."
            )
    return gradients


def norms_of(gradients: Sequence[Tensor]) -> Tensor:
    """The L2 norm of each gradient, (n,), on the device of the first; of one divided among processes, of all of it."""
    here = [local(gradient) if by_rows(gradient) else gradient for gradient in gradients]
    norms = torch._foreach_norm(here, 2.0, dtype=precision(gradients))  # pyright: ignore[reportPrivateImportUsage]
    each = torch.stack([_whole(norm).to(here[0].device) for norm in norms])
    return _over_processes(each, gradients) if any(map(by_rows, gradients)) else each


def precision(gradients: Sequence[Tensor]) -> torch.dtype:
    """The widest dtype among `gradients`, single precision at least: a half-precision norm overflows at 65504."""
    return functools.reduce(torch.promote_types, {gradient.dtype for gradient in gradients}, torch.float32)


def shrinking(ratio: Tensor, total: Tensor) -> Tensor:
    """min(1, ratio), or 1 wherever the `total` norm is not finite or the ratio is nan."""
    return torch.where(total.isfinite() & (ratio < 1.0), ratio, torch.ones_like(ratio))


def scale_(gradients: Sequence[Tensor], factor: Tensor) -> None:
    """Multiply all `gradients` in place by one 0-dim `factor`."""
    gradients = [local(gradient) for gradient in gradients]
    for device in {gradient.device for gradient in gradients}:
        here = [gradient for gradient in gradients if gradient.device == device]
        torch._foreach_mul_(here, factor.to(device))  # pyright: ignore[reportPrivateImportUsage]


def outcome(before: Tensor, after: Tensor) -> Clipped:
    """What was done, from the norm of each gradient before and after, (n,).

    `removed` is 0 for a gradient of 0 and nan for one that is not finite.
    """
    total, left = torch.linalg.vector_norm(before), torch.linalg.vector_norm(after)
    removed = torch.where(total == 0.0, torch.zeros_like(total), 1.0 - left / total)
    return Clipped(total, removed, (before - after).argmax())


def _whole(norm: Tensor) -> Tensor:
    # of a DTensor that is divided in another way than by rows
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # pyright: ignore


def _over_processes(norms: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    """The norms of the whole gradients, from those of the rows that lie here: one message for all of them."""
    group = next(filter(by_rows, gradients)).device_mesh.get_group()  # pyright: ignore[reportAttributeAccessIssue]
    mine = torch.tensor([by_rows(one) or not dist.get_rank(group) for one in gradients], device=norms.device)
    # what is not divided counts once; a factor of 0 would keep what is not finite
    squares = torch.where(mine, norms.double().square(), 0.0)
    dist.all_reduce(squares, group=group)
    return squares.sqrt().to(norms.dtype)
