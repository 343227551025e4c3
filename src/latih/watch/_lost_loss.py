"""The model's output is finite and the loss, or its gradient, is not: which op of the loss was it?"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from latih.tape import loss_path

from ._record import Origin

_GIVEN = ("self", "other", "input", "target")
_STEEP = ("sqrt", "norm", "log", "div", "acos", "asin", "atan2", "std", "pow")
"""Ops of infinite slope somewhere, by what `loss_path` calls them; the likeliest first."""


def in_loss(step: int, loss: Tensor, outputs: list[Tensor]) -> Origin:
    """The first op, by what autograd saved of it, that was given what it cannot take; the graph must still be there."""
    nodes = loss_path(loss, outputs).nodes
    for node in nodes:
        for name in _GIVEN:
            found = _range(node, name)
            if found is None:
                continue
            if name == "target" and not _finite(found):
                return _origin(step, node, "its targets are not finite")
            if not _finite(found):
                what = "it was given values that are not finite, as targets or as what an op before it made"
                return _origin(step, node, what)
            if _cannot_take(node.name(), name, *found):
                return _origin(step, node, f"it was given values between {found[0]:.4g} and {found[1]:.4g}")
        result = _range(node, "result")
        if result is not None and not _finite(result):
            return _origin(step, node, "what it made is not finite")
    what = "the model's output is finite, the loss is not: look at the targets and at the loss"
    return _origin(step, nodes[-1] if nodes else None, what)


def steep_op(step: int, loss_ops: list[str]) -> Origin:
    """The gradient was lost, and not in the model: the op of the loss whose slope can be infinite."""
    op = next((name for steep in _STEEP for name in loss_ops if name == steep), "loss")
    what = "the loss is finite and its gradient is not: the slope of this op is infinite at 0 or at its edge"
    return Origin(step=step, layer="loss", op=op, backward=True, what=what)


def _origin(step: int, node: Any, what: str) -> Origin:
    return Origin(step=step, layer="loss", op="loss" if node is None else node.name(), backward=False, what=what)


def _range(node: Any, name: str) -> tuple[float, float] | None:
    try:
        value = getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed, or written to since
        return None
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
        return None
    low, high = value.detach().aminmax()
    return float(low), float(high)


def _finite(found: tuple[float, float]) -> bool:
    return math.isfinite(found[0]) and math.isfinite(found[1])


def _cannot_take(op: str, name: str, low: float, high: float) -> bool:
    if op.startswith("Log1P"):
        return low <= -1
    if op.startswith(("LogBackward", "Log2", "Log10", "Xlogy")):
        return low <= 0
    if op.startswith("Div") and name == "other":
        return low <= 0 <= high
    if op.startswith("Reciprocal"):
        return low <= 0 <= high
    return op.startswith("Acos") and (low < -1 or high > 1)
