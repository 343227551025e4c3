"""Remember the last answer about the scores: they change once a validation, a factor is asked once an update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ._base import Scores

T = TypeVar("T")


def remember_last(function: Callable[..., T]) -> Callable[..., T]:
    """Cache the last answer of `function(scores, *rest)`, which stays pure: another history is computed anew.

    The same tuple is recognised at once; a list, which may have been changed in place, is compared with what it was.
    """
    last: tuple[Scores, tuple[object, ...], T] | None = None

    def remembered(scores: Scores, *rest: object) -> T:
        nonlocal last
        known = last
        if known is not None and known[1] == rest and (known[0] is scores or known[0] == tuple(scores)):
            return known[2]
        kept = tuple(scores)
        answer = function(kept, *rest)
        last = (kept, rest, answer)
        return answer

    return remembered
