"""Autograd's graph as a flat list of ops in forward order; nothing here recurses, so depth does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._calls import RECURRENT, Call, Calls
from ._ops import LOSSES, op_name

LEAF = "torch::autograd::AccumulateGrad"


@dataclass(slots=True, eq=False)
class Op:
    """One node, or the nodes of one named call."""

    name: str
    """As in the op table; "parameter", "input" and "constant" for leaves."""
    node: Any
    order: int
    call: Call | None = None
    parameters: tuple[str, ...] = ()
    sources: list[Op | None] = field(default_factory=list)
    edges: Sequence[tuple[Any, int]] = ()
    """The node behind each source, and which of its outputs."""
    consumers: list[Op] = field(default_factory=list)
    """Distinct, in forward order, without the loss."""
    in_loss: bool = False
    names: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    """Of a recurrent call: node of a weight or bias -> names of the parameters behind it."""

    def shape(self, at: int) -> tuple[int, ...]:
        """Of what the source at `at` hands over; () where there is none."""
        node, slot = self.edges[at]
        return () if node is None else tuple(node._input_metadata[slot].shape)

    @property
    def constants(self) -> dict[str, Any]:
        """What a named call was called with."""
        return self.call.constants if self.call else {}


@dataclass
class Leaves:
    """What the graph ends in."""

    names: dict[int, str]
    """id of a parameter -> its name."""
    inputs: set[int]
    """ids of the tensors that stand for the batch."""
    parametrized: dict[Any, tuple[str, ...]]
    """Node that yields a parametrized weight -> names of its originals."""


def ancestors(roots: Iterable[Any]) -> dict[Any, None]:
    """Every node from which a root was computed, and the roots."""
    found: dict[Any, None] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found[node] = None
            waiting.extend(source for source, _ in node.next_functions)
    return found


def reached(nodes: Iterable[Any], names: dict[int, str]) -> set[str]:
    """Names of the parameters among the leaves of `nodes`."""
    leaves = (id(node.variable) for node in nodes if node.name() == LEAF)
    return {names[leaf] for leaf in leaves if leaf in names}


def read_ops(roots: Iterable[Any], outputs: dict[Any, None], leaves: Leaves, calls: Calls) -> list[Op]:
    """The ops from which the `roots` were computed, in forward order; those behind the `outputs` belong to the loss."""
    owner = {node: call for call in calls.named for node in call.nodes}
    made: dict[Any, Op] = {}
    behind: dict[Op, list[Any]] = {}
    waiting = [owner.get(root, root) for root in roots]
    while waiting:
        key = waiting.pop()
        if key in made:
            continue
        op, edges = _call(key, leaves) if isinstance(key, Call) else _single(key, leaves)
        made[key] = op
        op.edges = edges
        behind[op] = [None if node is None else owner.get(node, node) for node, _ in edges]
        waiting.extend(source for source in behind[op] if source is not None)
    for op, sources in behind.items():
        op.sources = [None if source is None else made[source] for source in sources]
    ops = sorted(made.values(), key=lambda op: op.order)
    _connect(ops, outputs, calls)
    return ops


def _single(node: Any, leaves: Leaves) -> tuple[Op, Any]:
    if node in leaves.parametrized:
        return Op("parameter", node, -1, parameters=leaves.parametrized[node]), ()
    if node.name() == LEAF:
        leaf = id(node.variable)
        if leaf in leaves.names:
            return Op("parameter", node, -1, parameters=(leaves.names[leaf],)), ()
        return Op("input" if leaf in leaves.inputs else "constant", node, -1), ()
    return Op(op_name(node), node, node._sequence_nr()), node.next_functions


def _call(call: Call, leaves: Leaves) -> tuple[Op, Any]:
    edges = {
        (source, slot): None
        for node in reversed(call.nodes)
        for source, slot in node.next_functions
        if source is not None and source not in call.nodes
    }
    op = Op(call.op, None, max(node._sequence_nr() for node in call.nodes), call)
    if call.op in RECURRENT:
        weights = {node for matrix in call.matrices for node in (matrix.node, matrix.bias) if node is not None}
        op.names = {node: _single(node, leaves)[0].parameters for node in weights}
        edges = {edge: None for edge in edges if not op.names.get(edge[0])}  # all of its weights are known by role
    return op, list(edges)


def _connect(ops: list[Op], outputs: dict[Any, None], calls: Calls) -> None:
    for op in ops:
        nodes = list(op.call.nodes) if op.call else [op.node]
        op.in_loss = op.order >= 0 and (
            op.name in LOSSES
            or any(node in calls.losses for node in nodes)
            or not any(node in outputs for node in nodes)
            or any(source is not None and source.in_loss for source in op.sources)
        )
        if not op.in_loss:  # ops come in order, so consumers do too
            for source in dict.fromkeys(source for source in op.sources if source is not None):
                source.consumers.append(op)
