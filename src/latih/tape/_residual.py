"""Which layers lie in a branch that a skip connection bypasses."""

from __future__ import annotations

from ._graph import Op
from ._ops import SUMS
from ._place import Place, Use


def bypassed(ops: list[Op], places: dict[Op, Place]) -> set[Use]:
    """The layers between a fork and the add where its two ways meet again."""
    found: set[Use] = set()
    walked: dict[Op, int] = {}
    for op in ops:
        place = places[op]
        if op.name in SUMS and place.skips and not op.in_loss:
            branches = [source for source in op.sources if source is not None and source not in place.skips]
            for fork in {places[skip].fork: None for skip in place.skips}:
                if fork is not None:
                    found.update(_between(fork, branches, places, walked))
    return found


def _between(fork: Op, branches: list[Op], places: dict[Op, Place], walked: dict[Op, int]) -> list[Use]:
    """The layers on the way back from `branches` to `fork`; none if the way does not lead there."""
    floor, uses, steps, met = places[fork].depth, [], [], False
    seen: set[Op] = set()
    waiting = list(branches)
    while waiting:
        op = waiting.pop()
        if op is fork:
            met = True
        # a branch once walked as deep as this one needs no second walk
        elif (
            op not in seen
            and places[op].carries == "signal"
            and places[op].depth >= floor
            and walked.get(op, floor + 1) > floor
        ):
            seen.add(op)
            steps.append(op)
            uses.extend(places[op].uses)
            waiting.extend(source for source in op.sources if source is not None)
    if met:
        walked.update(dict.fromkeys(steps, floor))
    return uses if met else []
