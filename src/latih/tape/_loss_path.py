"""From a loss back to the outputs that it compares: the ops in between, in forward order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor

from ._graph import LEAF, ancestors
from ._loss_ops import loss_names
from ._ops import label, op_name


class LossPath(NamedTuple):
    """What was done to a model's output on the way to the loss."""

    names: list[str]
    """As in `Tape.loss_ops`."""
    nodes: list[Any]
    """Autograd's nodes, in forward order."""


def loss_path(loss: Tensor, outputs: Iterable[Tensor]) -> LossPath:
    """The ops between `outputs` and `loss`, read from a graph that is still there; nothing is run.

    Scalars among the outputs are taken for losses that the model computed itself, and do not end the path. Without any
    other output it begins behind the last op that a parameter goes into.

    >>> import torch
    >>> output = torch.randn(4, 3, requires_grad=True) * 1
    >>> loss_path(torch.nn.functional.cross_entropy(output, torch.tensor([0, 1, 2, 0])), [output]).names
    ['log_softmax', 'nll', 'mean']
    """
    everything = sorted(
        (node for node in ancestors([loss.grad_fn]) if node.name() != LEAF), key=lambda node: node._sequence_nr()
    )
    known = set(everything)
    ends = [output.grad_fn for output in outputs if output.numel() != 1 and output.grad_fn in known]
    before = ancestors(ends) if ends else _with_parameters(everything)
    behind: set[Any] = set(ends or before)
    nodes = []
    for node in everything:
        if node not in before and (not behind or any(source in behind for source, _ in node.next_functions)):
            behind.add(node)
            nodes.append(node)
    return LossPath([name for node in nodes for name in loss_names(op_name(node), node)], nodes)


def _with_parameters(nodes: list[Any]) -> dict[Any, None]:
    """Everything up to the last op that takes a parameter, be it transposed or cast."""
    own: set[Any] = set()  # a parameter, or a view of one
    last = -1
    for place, node in enumerate(nodes):
        sources = [source for source, _ in node.next_functions if source is not None]
        if any(source.name() == LEAF or source in own for source in sources):
            if len(sources) == 1 and label(op_name(node)) in ("", "view"):
                own.add(node)
            else:
                last = place
    return dict.fromkeys(nodes[: last + 1])
