"""The targets of single batches: who is in them, and which of them the model's answers get right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._loss_facts import Batch

MOST = 64
"""Batches that are kept."""
_MOST_CLASSES = 1000
_MOST_VALUES = 2**18
_ANSWERS = {"NllLossBackward0": "largest", "NllLoss2DBackward0": "largest"}
_ANSWERS |= {"BinaryCrossEntropyWithLogitsBackward0": "logit", "BinaryCrossEntropyBackward0": "probability"}


def batch_of(node: Any, target: Tensor) -> Batch | None:
    """A batch's `target` in a few numbers; `node` is the loss's own, where the model's answers still lie.

    Truth values of binary losses count as classes 0 and 1, be they pixels or examples.
    """
    if not target.numel() or target.dim() == 0:
        return None
    answer = _ANSWERS.get("" if node is None else node.name(), "")
    target = target.detach()[: max(_MOST_VALUES // max(target[0].numel(), 1), 1)]
    labels = _labels(answer, target)
    if labels is None:
        rows = target.double().reshape(len(target), -1).mean(1)
        rows = rows[rows.isfinite()]  # a file holds no NaN; `Values.non_finite` counts them
        if not len(rows):
            return None
        spread = float(rows.std(correction=0)) if len(rows) > 1 else 0.0
        return Batch(size=len(target), mean=float(rows.mean()), std=spread)
    classes, counts = labels.unique(return_counts=True)
    if len(classes) > _MOST_CLASSES:
        return None
    return Batch(
        size=len(target),
        classes=dict(zip(classes.long().tolist(), counts.tolist(), strict=True)),
        right=_right(answer, node, labels),
    )


def merged(first: Batch, second: Batch) -> Batch:
    """Two parts of one update, such as a batch that is accumulated in pieces."""
    size = first.size + second.size
    if first.classes or second.classes:
        return Batch(size=size, classes=_sum(first.classes, second.classes), right=_sum(first.right, second.right))
    mean = (first.mean * first.size + second.mean * second.size) / size
    square = sum((one.std**2 + one.mean**2) * one.size for one in (first, second)) / size
    return Batch(size=size, mean=mean, std=max(square - mean**2, 0.0) ** 0.5)


def _labels(answer: str, target: Tensor) -> Tensor | None:
    if not target.is_floating_point():
        return target
    if answer in ("logit", "probability") and bool(((target == 0) | (target == 1)).all()):
        return target.long()
    return None


def _right(answer: str, node: Any, labels: Tensor) -> dict[int, int]:
    if not answer:
        return {}
    given = node._saved_self.detach()[: len(labels)]
    if answer == "largest":
        said = given.argmax(min(1, given.dim() - 1))
    else:
        said = (given > (0 if answer == "logit" else 0.5)).long()
    if said.shape != labels.shape:
        return {}
    found, counts = labels[said == labels].unique(return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _sum(first: dict[int, int], second: dict[int, int]) -> dict[int, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}


def by_hand(nodes: list[Any], outputs: list[Tensor]) -> Tensor | None:
    """Targets of a loss that is written as a difference: autograd has kept it to square it or to take its modulus."""
    found = {one.grad_fn: one for one in outputs}
    for node in nodes:
        if node.name() not in ("PowBackward0", "AbsBackward0") or not node.next_functions:
            continue
        minus = node.next_functions[0][0]
        if minus is None or minus.name() != "SubBackward0":
            continue
        (left, _), (right, _) = minus.next_functions
        try:
            gap = node._saved_self.detach()
        except RuntimeError:  # written to since
            return None
        inside = _value(left or right, found) if (left is None) != (right is None) else None
        if inside is not None and (inside.numel() == gap.numel() or _one_for_all(inside, gap)):
            inside = (
                inside.detach().expand(gap.shape) if inside.dim() == gap.dim() else inside.detach().reshape(gap.shape)
            )
            if not bool(inside.isfinite().all()):  # of a model that is lost the gap says nothing of the targets
                return None
            return inside - gap if right is None else inside + gap
    return None


def _one_for_all(inside: Tensor, gap: Tensor) -> bool:
    """One column of outputs against several of targets; one against all rows would be as many as there are rows."""
    before, after = tuple(inside.shape), tuple(gap.shape)
    return len(before) == len(after) > 1 and before == (*after[:-1], 1) and after[-1] not in (1, after[-2])


def divergence(nodes: list[Any], outputs: list[Tensor]) -> Tensor | None:
    """Targets of `kl_div`, which is t log t - t x: shares that sum to 1, by which the outputs are multiplied."""
    names = [node.name().removesuffix("Backward0") for node in nodes]
    if names[:2] not in (["Mul", "Sub"], ["Mul", "Rsub"]) or not {"Sum", "Mean"} & set(names):
        return None
    product = nodes[0]
    (left, _), (right, _) = product.next_functions
    if (left is None) == (right is None) or (left or right) not in {one.grad_fn for one in outputs}:
        return None
    shares = product._saved_other if left is not None else product._saved_self
    if shares is None or shares.dim() < 2 or not bool((shares >= 0).all()):
        return None
    return shares.detach() if bool(((shares.sum(1) - 1).abs() < 1e-3).all()) else None


def counts(nodes: list[Any], outputs: list[Tensor]) -> Tensor | None:
    """Targets of `poisson_nll_loss` on log rates, exp(x) - t x: counts, by which the outputs are multiplied."""
    known = {one.grad_fn for one in outputs}
    by_name = {node.name().removesuffix("Backward0"): node for node in nodes}
    product, rates = by_name.get("Mul"), by_name.get("Exp")
    if (
        product is None
        or rates is None
        or sorted(by_name) not in (["Exp", "Mean", "Mul", "Sub"], ["Exp", "Mul", "Sub", "Sum"])
    ):
        return None
    (left, _), (right, _) = product.next_functions
    if (left is None) == (right is None) or _source(left or right, known) is None or _source(rates, known) is None:
        return None
    counted = product._saved_other if left is not None else product._saved_self
    return counted.detach() if counted is not None and bool((counted >= 0).all()) else None


def _source(node: Any, known: set[Any]) -> Any:
    """The output that `node` comes from, itself, through a reshape or through one function; None if another."""
    if node in known:
        return node
    before = node.next_functions[0][0] if node is not None and node.next_functions else None
    return before if before in known else None


def _value(node: Any, found: dict[Any, Tensor]) -> Tensor | None:
    """The output that `node` is, seen through reshapes."""
    while node is not None and node not in found and len(node.next_functions) == 1:
        if not node.name().startswith(("View", "Squeeze", "Unsqueeze", "Reshape", "UnsafeView")):
            return None
        node = node.next_functions[0][0]
    return found.get(node)


def spread(nodes: list[Any], outputs: list[Tensor], wanted: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The shape to which targets have blown the outputs up, all of one axis against all of it; () if they have not.

    An element-wise op with a constant, or the expansion before it, whose result has one axis of the outputs twice:
    (n,) or (n, 1) became (n, n), and (n, hours, 1) became (n, hours, hours); or whose result has the shape `wanted` of
    the targets where the outputs had a single column. Outputs that were given a new axis on
    purpose (`unsqueeze`) do not count.
    """
    shapes = {one.grad_fn: tuple(one.shape) for one in outputs}
    meant: set[Any] = set()
    for node in nodes:
        sources = [source for source, _ in node.next_functions if source is not None]
        shape = _shape(node)
        shapes[node] = shape
        name = node.name()
        if name.startswith(("Unsqueeze", "Cdist", "Repeat")) or any(one in meant for one in sources):
            meant.add(node)
        elif (
            name.startswith(_ELEMENTWISE)
            and len(sources) == 1
            and _crossed(shapes.get(sources[0], shape), shape, wanted)
        ):
            return shape
    return ()


def _crossed(before: tuple[int, ...], after: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether one axis of `before` is there twice in `after`, neighbours that broadcasting has filled from 1."""
    if torch.Size(after).numel() <= torch.Size(before).numel() or before == (1,) * len(before):
        return False
    if len(after) > len(before):  # new axes come in front: (n,) against (n, 1), (n, 2) against (n, 1, 2)
        return after == (before[0], *before)
    grown = [place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old == 1 and new > 1]
    if len(grown) != 1 or grown[0] == 0:
        return False
    return before[grown[0] - 1] == after[grown[0]] or (after == wanted and grown[0] == len(after) - 1)


_ELEMENTWISE = ("Sub", "Rsub", "Add", "Mul", "Div", "Where", "Maximum", "Minimum", "Expand")


def _shape(node: Any) -> tuple[int, ...]:
    given = getattr(node, "_input_metadata", None)
    return tuple(int(one) for one in given[0].shape) if given and given[0] is not None else ()
