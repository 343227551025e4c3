"""Which part of a global batch is one process's, so that all parts together give the update of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latih._checks import InputError
from latih.data import Examples

from ._processes import World

if TYPE_CHECKING:
    from ._trainer import Trainer


def own_part(order: Tensor, batch_size: int, world: World) -> tuple[Tensor, int]:
    """This process's examples of every global batch in `order`, and how many make a batch of its own.

    A process that the last batch leaves without an example gets the first one of it, which does not count.

    >>> own_part(torch.arange(10), 4, World(1, 2))
    (tensor([1, 3, 5, 7, 9]), 2)
    >>> own_part(torch.arange(9), 4, World(1, 2))
    (tensor([1, 3, 5, 7, 8]), 2)
    """
    if world.size == 1 or len(order) == 0:
        return order, batch_size
    batches = order.split(batch_size)
    parts = [world.part(batch) if world.rank < len(batch) else batch[:1] for batch in batches]
    return torch.cat(parts), len(range(world.rank, batch_size, world.size))


def smallest_part(world: World, examples: int, batch_size: int) -> int:
    """The fewest examples that a process has in an update."""
    last = examples % batch_size or batch_size
    return max(1, min(batch_size, last) // world.size)


def even_part(examples: int, world: World) -> tuple[Tensor, int]:
    """This process's indices of so many examples, as many as every other one has, and how many of them count.

    >>> even_part(5, World(1, 2))
    (tensor([1, 3, 0]), 2)
    """
    own = world.part(torch.arange(examples))
    missing = -(-examples // world.size) - len(own)
    return torch.cat([own, torch.zeros(missing, dtype=own.dtype)]), len(own)


def begin_part(trainer: Trainer) -> int:
    """Make the step ready for its part of the coming batch; how many examples of the part count.

    DDP takes the mean over processes, so a part weighs its share of the batch times the number of processes. What the
    network draws, such as dropout, depends on seed, update and process, so that a resumed run draws the same.
    """
    world, step = trainer.world, trainer.step
    whole = min(trainer.batch_size, len(trainer.train) - trainer.batch * trainer.batch_size)
    count = len(range(world.rank, whole, world.size))
    step.share = count * world.size / whole
    # every part of a sharded model's batch is a conversation: none may have more of them
    step.pieces = min(step.accumulate, max(1, whole // world.size))
    torch.manual_seed(hash((trainer.recipe.seed, step.count, world.rank)))  # of integers, the same in every process
    return count


def check_parts(world: World, train: Examples, valid: Examples | None, batch_size: int) -> None:
    """Refuse what cannot be divided among processes."""
    if world.size == 1:
        return
    for name, part in (("train", train), ("valid", valid)):
        if hasattr(part, "batch_size"):
            raise InputError(
                f"train({name}=DataLoader): its order is its own and cannot be divided among {world.size} processes; "
                "pass its Dataset, and the batch size in the recipe."
            )
    if batch_size < world.size:
        raise InputError(
            f"recipe(batch_size={batch_size}): it is that of all {world.size} processes together and must give each an "
            f"example; take at least {world.size}."
        )
    sizes = [len(train), 0 if valid is None else len(valid)]
    if world.any(world.once(lambda: sizes) != sizes):
        raise InputError(
            f"process {world.rank} was given {sizes[0]} examples to train on and {sizes[1]} to validate, and not all "
            "have as many; give every process the whole data, which is divided among them."
        )
