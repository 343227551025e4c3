"""The batches of an epoch, from where the run stands: examples that are left out, and a read that failed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latih._checks import InputError
from latih.data import Batch, permutation

from ._parts import own_part

if TYPE_CHECKING:
    from ._trainer import Trainer


def feed(trainer: Trainer) -> Iterator[Batch]:
    """What is left of the epoch. A batch that cannot be read is read once more; a second failure is an error."""
    failed = -1
    while True:
        left_out = trainer.left_out
        rest = order(trainer)[trainer.batch * trainer.batch_size :]
        try:
            for batch in trainer.train.batches(*own_part(rest, trainer.batch_size, trainer.world)):
                yield batch
                if trainer.left_out is not left_out:
                    break  # and go on in another order
            else:
                return
        except Exception as error:
            place = f"batch {trainer.batch + 1} of epoch {trainer.epoch + 1}"
            reason = _first_line(error)
            if failed == trainer.batch:
                if isinstance(error, InputError):
                    raise
                raise InputError(
                    f"train: {place} could not be read, twice: {reason}; mend the data, then go on from the last "
                    f"checkpoint with --resume."
                ) from error
            failed = trainer.batch
            trainer.say(f"{place} could not be read ({reason}); trying once more")


def order(trainer: Trainer) -> Tensor:
    """The order (n,) of this epoch; others take the places of examples that are left out, so its length stays."""
    visited = permutation(trainer.recipe.seed, trainer.epoch, len(trainer.train))
    if not trainer.left_out:
        return visited
    out = torch.isin(visited, torch.tensor(trainer.left_out))
    kept = visited[~out]
    count = int(out.sum())
    visited[out] = kept[torch.arange(count) * max(len(kept) // count, 1) % len(kept)]
    return visited


def refetch(trainer: Trainer, place: int) -> Batch | None:
    """The batch `place` of this epoch as the step saw it; None where a loader decides what comes when.

    Of several processes each gets the whole batch, so that all come to the same judgement.
    """
    if place == trainer.batch - 1 and trainer.world.size == 1:
        return trainer.last
    if hasattr(trainer.train, "batch_size"):
        return None
    size = trainer.batch_size
    found = next(trainer.train.batches(order(trainer)[place * size : (place + 1) * size], size), None)
    return None if found is None else trainer.prepared(found)


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}".rstrip(": ")
