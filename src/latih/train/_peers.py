"""What writers in several processes tell each other, beside the training and without waiting for it."""

from __future__ import annotations

from typing import Any, TypeVar

import torch.distributed as dist

from ._processes import World

Said = TypeVar("Said")


class Peers:
    """A process group of their own for the threads that write: messages of the training would get mixed with theirs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._group: Any = dist.new_group(backend="gloo")

    def all(self, mine: Said) -> list[Said]:
        """What each process says, in their order."""
        said: list[Any] = [None] * self._world.size
        dist.all_gather_object(said, mine, group=self._group)
        return said

    def close(self) -> None:
        """Give the connections back."""
        dist.destroy_process_group(self._group)
