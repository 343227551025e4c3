"""What comes of an activation's output decides what it is: hidden, a gate, or the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from latih.tape import SCALES, Op, Place, flow

Role = Literal["hidden", "gate", "output", "unused"]


REASONS = {
    "gate": "a gate: it is multiplied with another signal",
    "output": "the output: no layer comes after it",
    "unused": "the batch does not reach it",
}


@dataclass
class Called:
    """One call of an activation."""

    was: str
    role: Role = "unused"
    node: Any = None


def why(made: list[Called]) -> str:
    """Why an activation stays, from all its calls; "" for one that is hidden each time."""
    roles = {call.role for call in made if call.role != "unused"} or {"unused"}
    if roles == {"hidden"}:
        return ""
    if "hidden" in roles:
        return "shared with the output or a gate; give that a module of its own"
    return REASONS[sorted(roles)[0]]


def judge(groups: Sequence[Sequence[Called]], ops: list[Op]) -> None:
    """Write the role into every call."""
    places = flow(ops)
    owner = {node: op for op in ops for node in (op.call.nodes if op.call else (op.node,))}
    roles = _roles(ops, places)
    for call in (call for group in groups for call in group):
        op = owner.get(call.node)
        call.role = "unused" if op is None else roles[op]
        call.node = None  # the graph may go


def _roles(ops: list[Op], places: dict[Op, Place]) -> dict[Op, Role]:
    """A layer ahead makes an activation hidden; a gate has none before it is multiplied with another signal."""
    layer: set[Op] = set()
    product: set[Op] = set()
    for op in reversed(ops):
        for after in op.consumers:
            place = places[after]
            if place.uses:
                layer.add(op)
            elif place.role == "product" or (after.name in SCALES and place.signals > 1):
                product.add(op)
            else:
                layer.update([op] if after in layer else [])
                product.update([op] if after in product else [])
    return {op: "hidden" if op in layer else "gate" if op in product else "output" for op in ops}
