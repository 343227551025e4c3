"""How good an output is: higher is better, and shapes (n,) and (n, 1) mean the same."""

from __future__ import annotations

from torch import Tensor


def accuracy(output: Tensor, target: Tensor) -> float:
    """Share of rows whose largest output is at the class; NaN in the output counts as wrong."""
    right = (output.argmax(1) == target) & output.isfinite().all(1)
    return right.float().mean().item()


def binary_accuracy(output: Tensor, target: Tensor) -> float:
    """Share of logits on the right side of 0."""
    logits = output.reshape(target.shape)
    return (((logits > 0) == (target > 0.5)) & logits.isfinite()).float().mean().item()


def probability_accuracy(output: Tensor, target: Tensor) -> float:
    """Share of probabilities on the right side of one half."""
    return binary_accuracy(output - 0.5, target)


def balanced_accuracy(output: Tensor, target: Tensor) -> float:
    """Accuracy within each class, averaged over the classes."""
    right = (output.argmax(1) == target).float()
    return sum(right[target == label].mean().item() for label in target.unique()) / len(target.unique())


def r2(output: Tensor, target: Tensor) -> float:
    """Share of the target's variance that the output explains; at least -1, NaN stays NaN."""
    error = (output.reshape(target.shape) - target).square().sum() / (target - target.mean(0)).square().sum()
    return max(-1.0, 1 - error.item()) if error == error else float("nan")
