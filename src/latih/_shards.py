"""Tensors that are divided among processes, seen from one of them; loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def divided(tensor: Tensor) -> bool:
    """Whether `tensor` is a DTensor: asking for its values makes processes talk to each other."""
    return hasattr(tensor, "to_local")


def by_rows(tensor: Tensor) -> bool:
    """Whether all processes of one mesh axis hold some rows of `tensor`, as `fully_shard` divides parameters."""
    placements: Any = getattr(tensor, "placements", ())
    return len(placements) == 1 and placements[0].is_shard(0)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a divided tensor, in the same memory; any other tensor as it is."""
    return tensor.to_local() if divided(tensor) else tensor  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]


def is_sharded(model: nn.Module) -> bool:
    """Whether parameters of `model` are divided."""
    return any(map(divided, model.parameters()))
