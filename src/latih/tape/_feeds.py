"""Backward over the ops: what the output of each op meets first, an activation, a layer, or the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._activations import BENDS, activation
from ._base import Activation
from ._graph import Op
from ._ops import RESHAPES, SCALES, SUMS, label
from ._place import Place

_NONE, _UNKNOWN = Activation("none"), Activation("unknown")


@dataclass(slots=True)
class Meets:
    """What a signal meets, and what lies between."""

    activation: Activation = _NONE
    between: tuple[str, Any] | None = None
    """A linked list, (label, rest), so that long chains share their ends."""
    bypasses: bool = False
    """It only gets there along an identity skip."""
    attends: bool = False
    """It meets an attention first."""

    def labels(self) -> list[str]:
        """`between` as a list, repeats in a row told once."""
        found: list[str] = []
        rest = self.between
        while rest is not None:
            if rest[0] and (not found or found[-1] != rest[0]):
                found.append(rest[0])
            rest = rest[1]
        return found


def meets(ops: list[Op], places: dict[Op, Place]) -> dict[Op, Meets]:
    """For every op of the model that carries a signal, what its output meets."""
    found: dict[Op, Meets] = {}
    for op in reversed(ops):
        if places[op].carries == "signal" and not op.in_loss:
            found[op] = _together([_through(op, consumer, places[consumer], found) for consumer in op.consumers])
    return found


def before_heads(ops: list[Op], places: dict[Op, Place]) -> set[Op]:
    """The ops from which some weighted layer is still to come."""
    found: set[Op] = set()
    for op in reversed(ops):
        if any(places[consumer].uses or consumer in found for consumer in op.consumers):
            found.add(op)
    return found


def _through(op: Op, consumer: Op, place: Place, found: dict[Op, Meets]) -> Meets:
    if place.uses:
        return Meets()
    attends = consumer.name == "attention" or consumer.name.startswith("ScaledDotProduct")
    if place.role == "product" or attends:
        return Meets(between=("attention" if attends else "product", None), attends=attends)
    known = activation(consumer.name, consumer.node, consumer.constants) if place.role == "" else None
    if known is not None:
        bent = bool(consumer.consumers) and all(after.name in BENDS for after in consumer.consumers)
        return Meets(_UNKNOWN if bent else known)
    word = _word(op, consumer, place)
    if word is None or consumer not in found:
        return Meets(_UNKNOWN)
    beyond = found[consumer]
    bypasses = op in place.identity or beyond.bypasses
    return Meets(
        beyond.activation,
        (word, beyond.between) if word else beyond.between,
        bypasses,
        word in ("", "view") and beyond.attends,
    )


def _word(op: Op, consumer: Op, place: Place) -> str | None:
    """How to call `consumer` when the signal of `op` merely passes through it; None if it does not."""
    if place.role in ("bias", "fixed"):
        return "" if place.role == "bias" else "fixed"
    if consumer.name in SUMS:
        return "add" if place.signals > 1 else "shift"
    if consumer.name in SCALES:
        if consumer.name == "Div" and consumer.sources[0] is not op:
            return None
        return "mul" if place.signals > 1 else "scale"
    if consumer.name in RESHAPES and _keeps_features(consumer):
        return ""
    return label(consumer.name)


def _keeps_features(view: Op) -> bool:
    # a linear layer folds the leading dimensions away and back: not worth a word
    before, after = view.shape(0), tuple(view.node._input_metadata[0].shape)
    return bool(before and after) and before[-1] == after[-1]


def _together(ways: list[Meets]) -> Meets:
    """One answer from all the ways on; identity skips count only when there is no other way."""
    if not ways:
        return Meets()
    ways = [way for way in ways if not way.bypasses] or ways
    if any(way.activation != ways[0].activation for way in ways):
        return Meets(_UNKNOWN, ways[0].between)
    return Meets(ways[0].activation, ways[0].between, ways[0].bypasses, all(way.attends for way in ways))
