"""`a >> b`: one schedule after the other, as one schedule."""

from __future__ import annotations

from dataclasses import dataclass

from latih._checks import InputError

from ._base import At, Schedule, Scores
from ._remember import remember_last


@dataclass(frozen=True)
class Chain(Schedule):
    """A schedule made of `pieces` that follow each other."""

    pieces: tuple[Schedule, ...] = ()


def chain(before: Schedule, after: Schedule) -> Schedule:
    """Run `before` for its steps, then `after`, which counts from 0 again and sees only the scores since.

    One piece at most may fill the rest of the run (`steps=None`); it gets what the others leave, at least one update.
    A piece without an end (`steps=0`) may only be the last. The pieces may be longer than the run: it then ends inside
    one of them. A piece that sets no momentum leaves the optimizer's own.
    `(a >> b) >> c` and `a >> (b >> c)` are the same function.

    Raises `InputError` for two pieces that fill the rest, or for a piece without an end before another.

    >>> from latih.schedules import cosine, warmup
    >>> schedule = (warmup(10) >> cosine()).over(110)
    >>> schedule(0), schedule(9), schedule(10), schedule(60), schedule(110)
    (0.1, 1.0, 1.0, 0.5, 0.0)
    """
    for side in (before, after):
        if not isinstance(side, Schedule):
            raise InputError(
                f"... >> {side!r}: both sides must be schedules, called; write warmup(500) >> power(1000)."
            )
    pieces = (*_pieces(before), *_pieces(after))
    _refuse_impossible(pieces)
    shifted = remember_last(_since)

    def locate(at: At) -> tuple[Schedule, At]:
        """The piece that rules at this step, and where it stands by its own count."""
        begin = 0
        rest = max(at.steps - sum(piece.steps or 0 for piece in pieces), 1)
        for piece in pieces[:-1]:
            length = rest if piece.steps is None else piece.steps
            if at.step < begin + length:
                break
            begin += length
        else:
            piece = pieces[-1]
        scores = shifted(at.scores, begin) if begin and at.scores else at.scores
        return piece, At(at.step - begin, rest if piece.steps is None else piece.steps, scores)

    def factor(at: At) -> float:
        piece, local = locate(at)
        return piece.factor(local)

    def momentum(at: At) -> float | None:
        piece, local = locate(at)
        return None if piece.momentum is None else piece.momentum(local)

    some_momentum = any(piece.momentum is not None for piece in pieces)
    return Chain(factor, _length(pieces), momentum if some_momentum else None, pieces)


def _pieces(schedule: Schedule) -> tuple[Schedule, ...]:
    # only a chain whose rest is still open is taken apart: what its rest gets depends on the new neighbours
    return schedule.pieces if isinstance(schedule, Chain) and schedule.steps is None else (schedule,)


def _length(pieces: tuple[Schedule, ...]) -> int | None:
    lengths = [piece.steps for piece in pieces]
    fixed = [length for length in lengths if length is not None]
    return None if len(fixed) < len(lengths) else 0 if lengths[-1] == 0 else sum(fixed)


def _refuse_impossible(pieces: tuple[Schedule, ...]) -> None:
    lengths = [piece.steps for piece in pieces]
    if lengths.count(None) > 1:
        raise InputError(
            "a >> b: two pieces fill the rest of the run (steps=None); "
            "give all but one of them a length, as in cosine(1000) >> linear()."
        )
    if 0 in lengths[:-1]:
        raise InputError(
            "a >> b: a piece without an end stands before another, which would never begin; "
            "put it last (power, exponential, piecewise, performance), or write constant(1000), constant(None)."
        )
    if lengths[-1] == 0 and None in lengths:
        raise InputError(
            "a >> b: the last piece has no end, so no rest of the run is left to fill for the piece with steps=None; "
            "give that one a length, as in cosine(1000) >> power(1000)."
        )


def _since(scores: Scores, begin: int) -> Scores:
    return tuple((step - begin, value) for step, value in scores if step > begin)
