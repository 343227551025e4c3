"""Losses that mend what another loss does with outputs or targets; each calls the loss that it was given."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latih.train import LossFunction

End = Literal["none", "softmax", "log_softmax", "sigmoid", "hardsigmoid", "tanh", "softsign"]
"""The function behind the last layer, as far as it can be undone; "none": outputs are scores."""


class Around(nn.Module):
    """A loss made from another; shows which one."""

    def __init__(self, loss: LossFunction) -> None:
        super().__init__()
        self.loss = loss

    def extra_repr(self) -> str:
        """The loss inside, where it is a function."""
        return "" if isinstance(self.loss, nn.Module) else getattr(self.loss, "__name__", repr(self.loss))


class Negated(Around):
    """Minus the loss: what was made large becomes small."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return -self.loss(output, target)


class Multiplied(Around):
    """So many times the loss: what was divided once too often."""

    def __init__(self, loss: LossFunction, factor: float) -> None:
        super().__init__(loss)
        self.factor = factor

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.factor * self.loss(output, target)


class Averaged(Around):
    """A sum over the batch divided by what it sums over: classes count once, values each."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(output, target) / max(target.numel(), 1)


class Aligned(Around):
    """Targets in the outputs' shape, so that each is compared with its own output alone."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(output, aligned(output, target))


class OnLogProbabilities(Around):
    """Scores pass a log-softmax over the classes before the loss."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(output.log_softmax(class_axis(output, target)), target)


class OnScores(Around):
    """Outputs of a softmax, sigmoid or tanh are turned back into scores before the loss, which wants scores."""

    def __init__(self, loss: LossFunction, end: End) -> None:
        super().__init__(loss)
        self.end: End = end

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(scores(output, self.end), target)

    def extra_repr(self) -> str:
        """The function that is undone."""
        return ", ".join(part for part in (super().extra_repr(), f"undoes={self.end!r}") if part)


class ClassCrossEntropy(nn.Module):
    """Cross-entropy that takes classes as they come: whole numbers of any type, in a column too, or one-hot."""

    def __init__(self, end: End = "none") -> None:
        super().__init__()
        self.end: End = end

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar. `output` (n, classes, ...)."""
        raw = scores(output, self.end)
        if target.shape == raw.shape:
            return F.cross_entropy(raw, target.to(raw.dtype))
        return F.cross_entropy(raw, target.reshape(len(raw), *raw.shape[2:]).long())

    def extra_repr(self) -> str:
        """The function that is undone."""
        return "" if self.end == "none" else f"undoes={self.end!r}"


class TruthCrossEntropy(nn.Module):
    """Binary cross-entropy of probabilities, or of scores, whatever shape and type the truth values have."""

    def __init__(self, scores: bool) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        truth = aligned(output, target).to(output.dtype)
        if self.scores:
            return F.binary_cross_entropy_with_logits(output, truth)
        return F.binary_cross_entropy(output.clamp(0, 1), truth)

    def extra_repr(self) -> str:
        """What outputs are."""
        return f"scores={self.scores}"


def aligned(output: Tensor, target: Tensor) -> Tensor:
    """The target in the output's shape, or with (without) the last axis of one that it lacks (has too many)."""
    if target.shape == output.shape:
        return target
    if target.numel() == output.numel():
        return target.reshape(output.shape)
    return target.unsqueeze(-1) if target.dim() == 1 else target.squeeze(-1)


def scores(output: Tensor, end: End) -> Tensor:
    """What went into the last function."""
    edge = torch.finfo(output.dtype).eps
    if end == "softmax":
        return output.clamp_min(torch.finfo(output.dtype).tiny).log()
    if end == "sigmoid":
        return torch.logit(output, edge)
    if end == "hardsigmoid":
        return 6 * output - 3
    if end == "tanh":
        return output.clamp(edge - 1, 1 - edge).atanh()
    return output / (1 - output.abs()).clamp_min(edge) if end == "softsign" else output


def class_axis(output: Tensor, target: Tensor) -> int:
    """The last one where it alone is missing from the targets' shape, as of (n, time, classes); else the second."""
    return -1 if output.dim() > 2 and target.shape == output.shape[:-1] else 1
