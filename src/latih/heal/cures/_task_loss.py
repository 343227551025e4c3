"""The textbook's loss for what outputs and targets are, whatever the program's own loss does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from .._base import Task
from ._kinds import Seen, is_one_hot, is_truth, whole
from ._losses import Aligned, ClassCrossEntropy, End, OnScores, TruthCrossEntropy

_UNDONE: dict[str, End] = {
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
    "tanh": "tanh",
    "softsign": "softsign",
}
"""Functions that a loss can undo; log_softmax changes nothing before a cross-entropy."""


class TaskLoss(NamedTuple):
    """A loss, the kind it is, and how to write it."""

    loss: Callable[[Tensor, Tensor], Tensor]
    kind: str
    code: str


def task_loss(seen: Seen, task: Task) -> TaskLoss | None:
    """Cross-entropy for classes, binary cross-entropy for truth values, squared error for numbers; None for others."""
    output, targets = seen.output, seen.targets
    known = seen.everything
    single = output.numel() == targets.numel() and not (output.dim() == 2 and output.shape[1] > 1)
    if is_one_hot(known) and output.shape == targets.shape and seen.end_name != "sigmoid":
        return _classes(seen)
    if task in ("classes", "truth") and whole(known) and not single:
        fits = output.dim() >= 2 and output.shape[1] > int(known.max()) and _per_class(output, targets)
        return _classes(seen) if fits else None
    if task in ("classes", "truth") and is_truth(known) and output.numel() == targets.numel():
        return _truth(seen)
    if task == "values" and known.is_floating_point() and output.numel() == targets.numel():
        same = output.shape == targets.shape
        return TaskLoss(
            F.mse_loss if same else Aligned(F.mse_loss), "mse", "loss = F.mse_loss(output, y.view_as(output))"
        )
    return None


def undone(name: str) -> End:
    """The function as a loss can undo it; "none" for the others."""
    return _UNDONE.get(name, "none")


def _classes(seen: Seen) -> TaskLoss:
    end = undone(seen.end_name)
    if seen.targets.dtype.is_floating_point or seen.targets.dim() != seen.output.dim() - 1:
        loss = ClassCrossEntropy(end)
    else:
        loss = F.cross_entropy if end == "none" else OnScores(F.cross_entropy, end)
    named = {
        "none": "loss = F.cross_entropy(output, y)",
        "softmax": "loss = F.nll_loss(output.clamp_min(1e-30).log(), y)",
    }
    return TaskLoss(loss, "cross_entropy", named.get(end, f"loss = F.cross_entropy({_inverse(end)}, y)"))


def _truth(seen: Seen) -> TaskLoss:
    if seen.end_name in ("sigmoid", "hardsigmoid", "softmax"):
        code = "loss = F.binary_cross_entropy(output, y.view_as(output).float())"
        return TaskLoss(TruthCrossEntropy(scores=False), "binary_cross_entropy", code)
    code = "loss = F.binary_cross_entropy_with_logits(output, y.view_as(output).float())"
    return TaskLoss(TruthCrossEntropy(scores=True), "bce_with_logits", code)


def _per_class(output: Tensor, targets: Tensor) -> bool:
    rest = output.shape[:1] + output.shape[2:]
    return targets.shape == rest or (targets.shape == (*rest, 1))


def _inverse(end: End) -> str:
    written = {
        "sigmoid": "torch.logit(output, 1e-7)",
        "hardsigmoid": "6 * output - 3",
        "tanh": "torch.atanh(output.clamp(-1 + 1e-7, 1 - 1e-7))",
        "softsign": "output / (1 - output.abs())",
    }
    return written.get(end, "output")
