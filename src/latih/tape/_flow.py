"""Forward over the ops: where the signal runs, what is only an expression of weights, and where ways part and meet."""

from __future__ import annotations

from ._graph import Op
from ._ops import PARTS, SPLITS, SUMS, label
from ._place import Place
from ._uses import find_layers, late_bias


def flow(ops: list[Op]) -> dict[Op, Place]:
    """The place of every op, by one pass in forward order."""
    places: dict[Op, Place] = {}
    for op in ops:
        places[op] = _place(op, places)
    return places


def _place(op: Op, places: dict[Op, Place]) -> Place:
    if op.name == "parameter":
        return Place("weight", parameters=op.parameters)
    if op.name in ("input", "constant"):
        return Place("signal" if op.name == "input" else "constant", fork=op if len(op.consumers) > 1 else None)
    place = Place()
    find_layers(op, place, places)
    _merge(op, place, places)
    return place


def _merge(op: Op, place: Place, places: dict[Op, Place]) -> None:
    sources = [places[source] for source in op.sources if source is not None]
    signals = {
        source: places[source] for source in op.sources if source is not None and places[source].carries == "signal"
    }
    place.signals = len(signals)
    if signals or place.uses:
        place.carries = "signal"
        deepest = max(signals.values(), key=lambda signal: signal.depth, default=None)
        place.depth = (deepest.depth if deepest else 0) + bool(place.uses)
        place.fork = _fork(op, deepest)
        if len(signals) > 1 and (op.name in SUMS or label(op.name) == "cat"):
            place.skips = [source for source, signal in signals.items() if signal.depth < place.depth and signal.fork]
        place.identity = {source for source in place.skips if _forks_before_a_layer(source, places)}
        # around an add, the layers of an identity skip lie behind the branch as well
        followed = signals if op.name not in SUMS else {s: v for s, v in signals.items() if s not in place.identity}
        behind = [layer for signal in followed.values() for layer in signal.layers]
        place.layers = place.uses or tuple(dict.fromkeys(behind))
        if not place.uses and not place.role:
            late_bias(op, place, places)
    elif any(source.carries == "weight" for source in sources):
        place.carries = "weight"
        place.parameters = tuple(dict.fromkeys(name for source in sources for name in source.parameters))
        place.part = op.name in PARTS or any(source.part for source in sources)


def _fork(op: Op, behind: Place | None) -> Op | None:
    if op.name in SPLITS:  # several outputs, of which each may go one way
        return None
    if len(op.consumers) > 1:
        return op
    # two parts of one tensor are not two ways of it: the steps of a sequence, say
    return behind.fork if behind is not None and op.name not in PARTS else None


def _forks_before_a_layer(source: Op, places: dict[Op, Place]) -> bool:
    fork = places[source].fork
    return fork is not None and places[fork].depth == places[source].depth
