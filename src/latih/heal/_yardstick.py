"""How good held-out outputs are, example by example, in a measure that stays the same when a cure changes the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from latih.train import LossFunction

from ._base import Task

Metric = Callable[[Tensor, Tensor], float]
PARTS = 20
"""Into which held-out data are cut where quality is only known of many examples together."""
_WORST = 50.0
"""The quality of an example that is lost, or of an output that is not finite, in units of what a constant reaches."""
_FAR, _LOST = 10.0, 1000.0
"""Times what a constant leaves, from where errors count by their logarithm, and what is never exceeded."""
_SCALES = torch.logspace(-4, 4, 49, dtype=torch.float64)


@dataclass(frozen=True)
class Yardstick:
    """Quality of outputs on held-out data: a vector, higher is better, an entry an example (or a twentieth of them).

    Classes and truth values: the log-likelihood of the targets after the outputs were rescaled (and for one output,
    shifted) as fits best, so that logits, probabilities and log-probabilities of one order score alike (temperature
    scaling; Guo et al., 2017). Values: minus the error that the loss measures, in units of what the mean leaves.
    Anything else: minus the loss itself on twentieths of the data.
    """

    task: Task
    loss: LossFunction
    """The program's own; asked only where `task` is "other"."""
    kind: str = "unknown"
    """Of the loss, as the record calls it."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """`outputs` of the whole held-out part (n, ...), on the CPU -> quality (n,) or (20,), float64."""
        found = None
        if self.task == "classes":
            found = _classes(outputs, targets)
        elif self.task == "truth":
            found = _truth(outputs, targets)
        elif self.task == "values":
            found = _values(outputs, targets, absolute=self.kind in ("mae", "huber", "smooth_l1"))
        if found is None:
            found = in_parts(lambda output, target: -float(self.loss(output, target)), outputs, targets)
        return found.nan_to_num(nan=-_WORST, neginf=-_WORST)


def in_parts(measure: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    """`measure` of each of at most twenty parts of equal size."""
    count = max(1, min(PARTS, len(targets) // 8))
    with torch.no_grad():
        values = [
            float(measure(*pair))
            for pair in zip(outputs.tensor_split(count), targets.tensor_split(count), strict=True)
            if len(pair[0])
        ]
    return torch.tensor(values, dtype=torch.float64)


def gain(quality: Tensor, control: Tensor) -> tuple[float, float]:
    """How much better than `control` on the same examples, and the standard errors that this is (paired t)."""
    apart = (quality - control).double()
    apart = apart[apart.isfinite()]
    if len(apart) < 2:
        return 0.0, 0.0
    mean, error = float(apart.mean()), float(apart.std()) / math.sqrt(len(apart))
    if error == 0.0:
        return mean, 0.0 if mean == 0.0 else math.copysign(math.inf, mean)
    # the t value as a normal one: few parts make long tails (Wallace, 1959)
    t, freedom = mean / error, len(apart) - 1
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return mean, math.copysign(z, t)


def _classes(outputs: Tensor, targets: Tensor) -> Tensor | None:
    flat = _by_class(outputs.double(), targets)
    if flat is None:
        return None
    scores, labels, examples = flat
    if scores.shape[1] == 1:  # a number for a class: the nearest class is the likeliest
        names = torch.arange(int(labels.max()) + 1, dtype=torch.float64)
        scores = -(scores - names).square()
    if int(labels.max()) >= scores.shape[1]:
        return None
    scores = _bounded(scores)
    counts = torch.bincount(labels, minlength=scores.shape[1]).double()
    chance = (counts.sum() / counts.clamp_min(1e-12)).log()[labels].mean().clamp_min(1e-3)
    likely = [F.log_softmax(scores * scale, 1).gather(1, labels[:, None])[:, 0] for scale in _scales(scores)]
    best = max(likely, key=lambda one: float(one.mean()))
    return _per_example(best / chance, examples, len(targets))


def _by_class(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """(positions, classes), (positions,) and the example that each position is of; ignored positions are left out."""
    if not targets.numel() or outputs.numel() % targets.numel():
        return None
    classes = outputs.numel() // targets.numel()
    if classes == 1 or (outputs.shape[-1] == classes and outputs.shape[:-1].numel() == targets.numel()):
        scores = outputs.reshape(-1, classes)
    elif outputs.dim() > 1 and outputs.shape[1] == classes:
        scores = outputs.movedim(1, -1).reshape(-1, classes)
    else:
        return None
    labels = targets.reshape(-1).long()
    examples = torch.arange(len(targets)).repeat_interleave(targets[0].numel() if targets.dim() else 1)
    known = labels >= 0
    return (scores[known], labels[known], examples[known]) if known.any() else None


def _truth(outputs: Tensor, targets: Tensor) -> Tensor | None:
    if outputs.numel() != targets.numel():
        return None
    scores, wanted = _bounded(outputs.reshape(-1, 1).double())[:, 0], _as_truth(targets.reshape(-1).double())
    slope, shift = _logistic(scores, wanted)
    likely = -F.binary_cross_entropy_with_logits(slope * scores + shift, wanted, reduction="none")
    rate = wanted.mean().clamp(1e-6, 1 - 1e-6)
    chance = -(rate * rate.log() + (1 - rate) * (1 - rate).log())
    return (likely / chance.clamp_min(1e-3)).reshape(len(targets), -1).mean(1)


def _as_truth(targets: Tensor) -> Tensor:
    """From 0 to 1; two other numbers, as 1 and 2 or -1 and 1, mean no and yes."""
    low, high = targets.aminmax()
    return (
        (targets - low) / (high - low)
        if low < high and bool(((targets == low) | (targets == high)).all())
        else targets.clamp(0, 1)
    )


def _logistic(scores: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Slope (never negative) and shift that make `scores` the best log-odds, by Newton's method."""
    spread = max(float(scores.std()) if len(scores) > 1 else 0.0, 1e-12)
    standard = (scores - scores.mean()) / spread
    rate = float(wanted.mean().clamp(1e-4, 1 - 1e-4))
    slope, shift = 0.0, math.log(rate / (1 - rate))
    for _ in range(25):
        p = torch.sigmoid(slope * standard + shift)
        weight, miss = (p * (1 - p)).clamp_min(1e-9), wanted - p
        aa, ab, bb = (float((weight * one).mean()) for one in (standard**2, standard, torch.ones_like(standard)))
        ga, gb = float((miss * standard).mean()) - 1e-4 * slope, float(miss.mean())
        size = (aa + 1e-4) * bb - ab * ab
        slope += max(-2.0, min(2.0, (ga * bb - gb * ab) / max(size, 1e-12)))
        shift += max(-2.0, min(2.0, (gb * (aa + 1e-4) - ga * ab) / max(size, 1e-12)))
    slope = max(slope, 0.0)  # an order turned round is no knowledge
    if slope == 0.0:
        shift = math.log(rate / (1 - rate))
    return slope / spread, shift - slope * float(scores.mean()) / spread


def _values(outputs: Tensor, targets: Tensor, *, absolute: bool) -> Tensor | None:
    if outputs.numel() != targets.numel() or not len(targets):
        return None
    wanted = targets.reshape(len(targets), -1).double()
    apart = outputs.reshape(wanted.shape).double() - wanted
    left = wanted - wanted.mean(0)
    error, unit = (apart.abs(), left.abs().mean()) if absolute else (apart.square(), left.square().mean())
    ratio = (error.mean(1) / unit.clamp_min(1e-30)).nan_to_num(nan=math.inf)
    # far out by the logarithm: a few lost examples shall not hide what the others gain
    far = _FAR * (1 + (ratio.clamp_min(_FAR) / _FAR).log())
    return -torch.where(ratio > _FAR, far, ratio).clamp_max(_LOST)


def _scales(scores: Tensor) -> list[float]:
    spread = float((scores - scores.mean(1, keepdim=True)).std())
    return [0.0] if not spread > 0 else [0.0, *(float(one) / spread for one in _SCALES)]


def _bounded(scores: Tensor) -> Tensor:
    """Finite, with rare huge values cut, so that one of them does not set the scale of all."""
    scores = scores.nan_to_num(nan=0.0, posinf=1e30, neginf=-1e30)
    middle = scores.median()
    far = 30 * (scores - middle).abs().median().clamp_min(1e-12)
    wide = (scores - middle).abs() > far
    return scores if float(wide.double().mean()) > 0.05 else torch.where(wide, middle + far * scores.sign(), scores)


def _per_example(values: Tensor, examples: Tensor, count: int) -> Tensor:
    total = torch.zeros(count, dtype=torch.float64).index_add_(0, examples, values)
    seen = torch.zeros(count, dtype=torch.float64).index_add_(0, examples, torch.ones_like(values))
    return total[seen > 0] / seen[seen > 0]
