"""What the loss does, read from its graph; and what it is for an output that never looks at the inputs."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latih.tape import loss_path

from ._association import FEWEST, SIZE, association_of
from ._batches import MOST, batch_of, by_hand, counts, divergence, merged, spread
from ._loss_facts import Loss
from ._neighbours import neighbours_loss
from ._values import values_of

_TARGETS = {
    # node -> (the loss's name, attribute of the targets)
    "NllLossBackward0": ("nll", "_saved_target"),
    "NllLoss2DBackward0": ("nll", "_saved_target"),
    "MseLossBackward0": ("mse", "_saved_target"),
    "SmoothL1LossBackward0": ("smooth_l1", "_saved_target"),
    "HuberLossBackward0": ("huber", "_saved_target"),
    "BinaryCrossEntropyBackward0": ("binary_cross_entropy", "_saved_target"),
    "BinaryCrossEntropyWithLogitsBackward0": ("bce_with_logits", "_saved_target"),
}
_NOT_NEGATIVE = frozenset(kind for kind, _ in _TARGETS.values()) | {"cross_entropy", "mae", "kl_div"}
_ERRORS = ("mse", "smooth_l1", "huber")
_OWN = ("kl_div", "poisson_nll")
"""Kinds that such ops belong to."""
_RESCALES = frozenset(("mul", "div", "exp", "log"))
"""Ops that take a loss away from the size that its kind has."""
_NAMES = 2**31
_READS = 3
"""Samples after which the loss is known."""
_MOST, _MOST_VALUES, _MOST_CLASSES = 4096, 2**20, 1000
"""Examples of targets that are kept, values of one batch, and classes that are counted."""


class LossReader:
    """Collects, from the losses of samples, what kind they are and the targets that they compare with."""

    def __init__(self) -> None:
        self.facts = Loss()
        self._targets: list[Tensor] = []
        self._outputs: Tensor | None = None
        self._shape: tuple[int, ...] = ()
        self._reads = 0
        self._told = False
        self._weights: Tensor | None = None
        self._ignored: int | None = None
        self._bend = 1.0
        self._pairs: list[tuple[Tensor, Tensor]] = []
        self._tested = 0
        self._now: Tensor | None = None  # targets of this backward pass, where a loss module told of them

    @property
    def done(self) -> bool:
        """Enough was seen."""
        enough = not self._targets or (self._count() >= _MOST and len(self.facts.batches) >= MOST)
        return self._reads >= _READS and enough

    def told(self, output: Any, target: Any) -> None:
        """Output and targets, where a loss module was seen at work."""
        if isinstance(output, Tensor) and isinstance(target, Tensor) and output.is_floating_point():
            self._outputs, self._told, self._now = output.detach(), True, target
            self._keep(target)

    def read(self, loss: Tensor, outputs: list[Tensor], inputs: Tensor | None = None, first: bool = True) -> None:
        """Walk the graph from `loss` to the model's `outputs`; `first` if it is the update's first loss."""
        self._reads += 1
        path = loss_path(loss, outputs)
        node = next((node for node in path.nodes if node.name() in _TARGETS), None)
        self.facts.ops = path.names
        self.facts.kind, attribute = _TARGETS[node.name()] if node is not None else (_by_hand(path.names), "")
        shares = divergence(path.nodes, outputs) if node is None else None
        if shares is not None:
            self.facts.kind = "kl_div"
        counted = counts(path.nodes, outputs) if node is None and shares is None else None
        if counted is not None:
            self.facts.kind = "poisson_nll"
        if self.facts.kind == "nll" and "log_softmax" in path.names:
            self.facts.kind = "cross_entropy"
        reductions = [name for name in path.names if name in ("mean", "sum")]
        self.facts.reduction = "unknown" if not reductions else "mean" if "mean" in reductions else "sum"
        self.facts.sign = -1 if path.names[-1:] == ["neg"] and self.facts.kind not in ("unknown", "nll") else 1
        found = next((one for one in outputs if one.numel() != 1), None)
        if found is not None:
            self._outputs = found.detach()
        target, self._now = self._now, None
        if target is None and not self._told:
            target = getattr(node, attribute) if node is not None else shares if shares is not None else counted
            target = by_hand(path.nodes, outputs) if target is None else target
            if isinstance(target, Tensor):
                self._keep(target)
        if node is not None and node.name().startswith("NllLoss"):
            self.facts.class_count = int(node._saved_self.shape[min(1, node._saved_self.dim() - 1)])
        if self.facts.row_sums is None and self._outputs is not None:
            given = getattr(node, "_saved_self", None) if self.facts.kind == "nll" else None
            self.facts.row_sums = _row_sums(self._outputs if given is None else given.detach(), self.facts.kind)
        self.facts.spread = self.facts.spread or spread(path.nodes, outputs, self._shape)
        if not self.facts.added and node is not None:
            more = [one for one in path.nodes if one is not node and _TARGETS.get(one.name(), ("",))[0] in _ERRORS]
            self.facts.added = [values_of(one._saved_target.detach()) for one in more]
        self._look_at_weights(node)
        if isinstance(target, Tensor):
            self._look_at_batch(node, target, inputs, first)

    def _look_at_weights(self, node: Any) -> None:
        for name in ("_saved_weight", "_saved_pos_weight"):
            weights = getattr(node, name, None)
            if isinstance(weights, Tensor):
                self._weights = weights.detach()
        self._bend = float(getattr(node, "_saved_beta", getattr(node, "_saved_delta", self._bend)))
        ignored = getattr(node, "_saved_ignore_index", None)
        self._ignored = ignored if isinstance(ignored, int) and 0 <= ignored < _NAMES else None

    def _look_at_batch(self, node: Any, target: Tensor, inputs: Tensor | None, first: bool) -> None:
        batches = self.facts.batches
        batch = batch_of(node, target)
        if batch is not None and len(batches) < MOST:
            batches[-1:] = [merged(batches[-1], batch)] if not first and batches else [*batches[-1:], batch]
        paired = inputs is not None and target.dim() and target[0].numel() <= 64 and len(inputs) == len(target)
        if paired and sum(len(one) for _, one in self._pairs) < SIZE:
            self._pairs.append((inputs.detach().clone(), target.detach().clone()))  # pyright: ignore

    def _test_association(self) -> None:
        """Once there is a quarter more to test than the last time."""
        shapes = [tuple(one.shape[1:] for one in pair) for pair in self._pairs]
        alike = [pair for pair, shape in zip(self._pairs, shapes, strict=True) if shape == shapes[0]]
        size = min(sum(len(one) for _, one in alike), SIZE)
        if size >= FEWEST and size > 1.25 * self._tested:
            self._tested = size
            inputs, targets = (torch.cat(list(parts)) for parts in zip(*alike, strict=True))
            chance, count = association_of(inputs, targets)
            if chance is not None:
                self.facts.association, self.facts.association_size = chance, count
            guess = neighbours_loss(self.facts.kind, inputs, targets, self._bend)
            if guess is not None:
                self.facts.neighbours, self.facts.neighbours_error = guess

    def finish(self) -> Loss:
        """The facts with the statistics of what was seen."""
        facts = self.facts
        if self._outputs is not None:
            facts.outputs, facts.output_shape = values_of(self._outputs), tuple(self._outputs.shape)
        if self._pairs:
            self._test_association()
        if self._targets:
            targets = torch.cat(
                [one.reshape(len(one), -1) if one.dim() else one.reshape(1, 1) for one in self._targets]
            )
            facts.targets, facts.target_shape = values_of(targets), self._shape
            if not targets.is_floating_point():
                labels, counts = targets.unique(return_counts=True)
                few = len(labels) <= _MOST_CLASSES
                facts.classes = dict(zip(labels.long().tolist(), counts.tolist(), strict=True)) if few else {}
            if self._ignored is not None and not targets.is_floating_point():
                targets = targets[targets != self._ignored]
            if targets.is_floating_point() and targets.shape[1] > 1:
                sums = targets.double().sum(1)
                facts.target_sums = (float(sums.min()), float(sums.max())) if bool(sums.isfinite().all()) else None
            facts.weighted = self._weights is not None
            facts.class_weights = self._weights_of_classes()
            if _RESCALES.isdisjoint(facts.ops) or facts.kind in _OWN:  # else nobody knows what it is of this loss
                facts.baseline = constant_of(facts.kind, targets, self._weights, self._bend)
            if facts.baseline is not None:
                facts.baseline *= _times(facts, self._shape)
        facts.floor = 0.0 if facts.kind in _NOT_NEGATIVE else None
        if facts.kind == "poisson_nll" and facts.baseline is not None:
            known = torch.cat([one.double().reshape(-1) for one in self._targets])
            facts.floor = float((known - torch.xlogy(known, known)).mean()) * _times(facts, self._shape)
        return facts

    def _weights_of_classes(self) -> list[float]:
        weights = self._weights
        if weights is None or weights.dim() > 1 or weights.numel() > _MOST_CLASSES:
            return []
        if self.facts.class_count is not None:
            return weights.reshape(-1).tolist() if weights.numel() == self.facts.class_count else []
        return [1.0, float(weights)] if weights.numel() == 1 else []

    def _count(self) -> int:
        return sum(len(one) if one.dim() else 1 for one in self._targets)

    def _keep(self, target: Tensor) -> None:
        self._shape = tuple(target.shape)
        same = not self._targets or self._targets[0].shape[1:] == target.shape[1:]
        if same and self._count() < _MOST and target.numel() <= _MOST_VALUES:
            self._targets.append(target.detach().clone())


def _times(facts: Loss, shape: tuple[int, ...]) -> float:
    """What the reduction makes of a mean; a divergence is summed over its shares first."""
    if facts.kind == "kl_div":
        return 1 / shape[-1] if facts.reduction == "mean" else 1.0 if "div" in facts.ops else float(shape[0])
    return float(math.prod(shape)) if facts.reduction == "sum" else 1.0


def _row_sums(outputs: Tensor, kind: str) -> tuple[float, float] | None:
    if outputs.dim() < 2 or outputs.shape[1] < 2 or not outputs.numel():
        return None
    values = outputs.double().exp() if kind == "nll" else outputs.double()
    sums = values.sum(1)
    return (float(sums.min()), float(sums.max())) if bool(sums.isfinite().all()) else None


def constant_of(kind: str, targets: Tensor, weights: Tensor | None = None, bend: float = 1.0) -> float | None:
    """Mean loss of the best output that is the same for all examples; None for a kind that is not known.

    Cross-entropy: the entropy of the labels; squared error: the variance; absolute: the mean distance to the median.
    `weights` are those of classes, or of positive examples; `bend` is where huber and smooth_l1 turn from squares to
    distances.

    >>> round(constant_of("cross_entropy", torch.tensor([0, 1, 0, 1])), 4)
    0.6931
    """
    if kind in ("cross_entropy", "nll") and not targets.is_floating_point():
        labels, counts = targets[targets >= 0].unique(return_counts=True)
        shares = counts.double()
        if weights is not None and weights.dim() == 1 and len(labels) and int(labels.max()) < len(weights):
            shares = shares * weights.to(shares.device)[labels].double()
            shares = shares[shares > 0]
        shares /= shares.sum().clamp_min(1)
        return float(-(shares * shares.log()).sum())
    if not targets.is_floating_point():
        return None
    values = targets.double().reshape(len(targets), -1)
    if kind == "mse":
        return float(values.var(0, correction=0).mean())
    if kind == "mae":
        return float((values - values.median(0).values).abs().mean())
    if kind == "poisson_nll":
        mean = values.mean(0)
        return float((mean - torch.xlogy(mean, mean)).mean())
    if kind == "kl_div":  # a sum over shares, averaged over examples; PyTorch calls it batchmean
        ratio = torch.where(values > 0, values / values.mean(0), 1.0)
        return float((values * ratio.log()).sum(1).mean())
    if kind in ("smooth_l1", "huber"):
        centre = values.median(0).values.expand_as(values)
        if kind == "huber":
            return float(F.huber_loss(centre, values, delta=bend))
        return float(F.smooth_l1_loss(centre, values, beta=bend))
    if kind in ("binary_cross_entropy", "bce_with_logits") and float(values.min()) >= 0 and float(values.max()) <= 1:
        mean = values.mean(0).clamp(1e-12, 1 - 1e-12)
        right = (
            mean if weights is None or weights.numel() not in (1, len(mean)) else mean * weights.to(mean).reshape(-1)
        )
        best = right / (right + 1 - mean)
        return float(-(right * best.log() + (1 - mean) * (1 - best).log()).mean())
    return None


def _by_hand(names: list[str]) -> str:
    """Losses that people write themselves."""
    inner = [name for name in names if name not in ("mean", "sum", "mul", "div")]
    return {("sub", "pow"): "mse", ("sub", "abs"): "mae", ("abs",): "mae"}.get(tuple(inner), "unknown")
