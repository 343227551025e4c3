"""What to call the ops of a loss."""

from __future__ import annotations

from typing import Any

from ._activations import activation
from ._ops import LOSSES, label, saved, words

_ARITHMETIC = {
    **{op: op.lower() for op in words("Add Sub Mul Div Neg Pow Abs Exp Log Log1P Sqrt Mean Sum Max Min Clamp Where")},
    "Rsub": "sub",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "Maximum": "max",
    "Minimum": "min",
    "Logsumexp": "logsumexp",
}


def loss_names(op: str, node: Any) -> list[str]:
    """What to call an op in the loss: its name, then "mean" or "sum" where the op reduces as well."""
    if op in LOSSES:
        return [LOSSES[op], *{1: ["mean"], 2: ["sum"]}.get(saved(node, "reduction"), [])]
    found = activation(op, node, {}) if op not in ("Clamp", "ClampMin", "Maximum") else None
    if found is not None:
        return [found.name]
    if op in _ARITHMETIC:
        return [_ARITHMETIC[op]]
    return [] if label(op) in ("", "view") else [label(op) or "unknown"]
