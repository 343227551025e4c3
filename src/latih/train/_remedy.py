"""What a run that went back changes, so that it does not come to the same end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from latih.data import Batch
from latih.watch import Origin

from ._blame import lost_examples
from ._last_good import LastGood

if TYPE_CHECKING:
    from ._trainer import Trainer

SLOWER, MUCH_SLOWER = 0.5, 0.1
"""Factors on the learning rate. A run that trained well until it left is at the edge of what its rate allows, and half
of it is well inside; one that grew until its numbers overflowed, or never trained, is orders of magnitude beyond."""
Treat = Callable[["Trainer", LastGood], str | None]
"""Asked before the rate is cut, at the last good state: what it changes, in words, or None if it has no answer."""


class Remedy(NamedTuple):
    """What is changed, in words, and the factor on the learning rate."""

    text: str
    factor: float = 1.0
    left_out: tuple[int, ...] = ()
    """Examples, in addition to those that are left out already."""
    treated: bool = False
    """Somebody else takes over the rest of the run."""


def of_batch(trainer: Trainer, batch: Batch) -> Remedy:
    """For a batch that is lost on good weights too: without the examples that spoil it, or without it."""
    known = trainer.left_out
    # a loader decides itself what comes when
    found = [] if hasattr(trainer.train, "batch_size") else lost_examples(trainer.step, trainer.train, batch)
    fresh = tuple(one for one in found if one not in known)
    if not fresh or len(fresh) + len(known) >= len(trainer.train):
        return Remedy("skipped the batch")
    shown = ", ".join(f"#{one}" for one in fresh[:3]) + (", ..." if len(fresh) > 3 else "")
    return Remedy(f"left out {len(fresh)} example{'s' * (len(fresh) > 1)} ({shown})", left_out=fresh)


def slower(factor: float) -> Remedy:
    """For steps that were too large."""
    return Remedy(f"learning rate x {factor:g}", factor)


def reason(why: str, origin: Origin | None) -> str:
    """Why a run went back, and where the first value that is not finite arose, if that is known."""
    if origin is None:
        return why
    return f"{why}, since {origin.layer or 'the model'} ({origin.op}): {origin.what}"


def note(record: dict[str, Any], good: LastGood, remedy: Remedy, of: str) -> str:
    """One line for the terminal."""
    after = f" (after epoch {good.epochs})" if good.epochs else ""
    return (
        f"epoch {record['epoch']}, update {record['step']}: {record['why']}; went back to update {good.count}{after}, "
        f"{remedy.text} (try {of})"
    )
