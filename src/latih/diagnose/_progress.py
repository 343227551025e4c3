"""Does it learn? The question that every symptom has to be confirmed by, answered by tests of significance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latih.watch import Loss, Record

ENOUGH = 24
"""Updates below which a curve is not judged."""
BLOCKS = 12
_SURE = 3.0
"""Standard errors that count as certain."""
_APART = 4.0
"""The same for the most different of many blocks, of which there are 66 pairs."""
_SEEMS = 0.1
"""Gain that nobody can call nothing, though it is not sure yet."""
_CLASSES, _VALUES = 3.0, 30.0
"""How far above its start a loss of classes, or any other, has left it."""
_PLAIN = frozenset(("log_softmax", "mean", "sum", "sub", "pow", "abs"))
"""Ops of a loss beside its own name that leave the best constant output what it is."""
_NAMED = {
    "cross_entropy": frozenset(("nll",)),
    "bce_with_logits": frozenset(("binary_cross_entropy_with_logits",)),
    "kl_div": frozenset(("mul", "div")),
    "poisson_nll": frozenset(("mul", "exp")),
}
"""Ops that are the loss itself, under another name than its kind."""
_SCALES = frozenset(("mul", "div", "exp", "log"))
"""Ops behind which a loss is not of the size that its kind has; what a constant reaches is then not known."""


@dataclass(frozen=True)
class Curve:
    """Losses update by update, judged in blocks: a block's mean is compared with how much single losses scatter."""

    losses: tuple[float, ...]
    baseline: float | None = None
    """Loss of the best constant output."""
    floor: float | None = None
    """The lowest value that the loss can take."""
    exact: bool = True
    """Nothing else, such as a penalty or smoothed labels, was added to the loss that `baseline` belongs to."""
    known: str = "unknown"
    """The kind of loss."""
    rare: float = 0.0
    """Scatter of batches' losses under the best constant output: rare classes cost much where they are met."""

    @classmethod
    def of(cls, record: Record) -> Curve:
        """The curve of a record; updates without a finite loss are left out."""
        losses = tuple(loss for loss in record.losses if loss is not None and math.isfinite(loss))
        named = _NAMED.get(record.loss.kind, frozenset())
        others = set(record.loss.ops) - _PLAIN - {record.loss.kind} - named
        exact = not others
        alike = record.loss.targets is not None and record.loss.targets.std == 0
        scaled = alike or not _SCALES.isdisjoint(others)
        known = record.loss
        return cls(losses, None if scaled else known.baseline, known.floor, exact, known.kind, _rare(known))

    def __len__(self) -> int:
        return len(self.losses)

    @cached_property
    def blocks(self) -> np.ndarray:
        """Means of up to twelve stretches of equal length."""
        return np.array([part.mean() if len(part) else math.nan for part in self._parts])

    @cached_property
    def noise(self) -> float:
        """Scatter of one loss around the trend, from the differences of neighbouring updates in the last half."""
        return self._scatter(len(self.losses) // 2)

    @cached_property
    def level(self) -> float:
        """Where the loss is now: the mean of the last block."""
        return float(self.blocks[-1])

    @cached_property
    def best(self) -> float:
        """The lowest block: where the loss has been at its best."""
        return float(self.blocks.min())

    @cached_property
    def start(self) -> float:
        """Where it began: the median of the first updates, at most a twelfth of all."""
        return float(np.median(self.losses[: self._first])) if self.losses else math.nan

    @cached_property
    def error(self) -> float:
        """Standard error of `level`."""
        return max(self.noise / math.sqrt(max(len(self._parts[-1]), 1)), 1e-12 * abs(self.level), 1e-300)

    @property
    def block(self) -> int:
        """Losses in the last block."""
        return max(len(self._parts[-1]), 1)

    @property
    def fallen(self) -> float:
        """How far the level lies below the start, in standard errors of both."""
        return (self.start - self.level) / math.hypot(self.error, self.noise / math.sqrt(self._first), 1e-12)

    @property
    def risen(self) -> float:
        """How far the level lies above the best block, in standard errors of both."""
        return (self.level - self.best) / math.hypot(self.error, self.error, 1e-12)

    @cached_property
    def trend(self) -> float:
        """Kendall's z of the block means over the second half: below -2 still falling, above 2 rising."""
        half = self.blocks[len(self.blocks) // 2 :]
        return kendall(half)

    @cached_property
    def slope(self) -> float:
        """Change of the loss an update: the median of the slopes between the last half's blocks (Theil and Sen)."""
        half, length = self.blocks[len(self.blocks) // 2 :], len(self.losses) / len(self.blocks)
        first, second = np.triu_indices(len(half), 1)
        return float(np.median((half[second] - half[first]) / ((second - first) * length))) if len(first) else 0.0

    @property
    def falling(self) -> float:
        """How surely the last half falls: its fall along `slope`, in standard errors."""
        return -self.slope * len(self) / 2 / math.hypot(self.error, self.error, 1e-12)

    @property
    def gain(self) -> float | None:
        """Share of the best constant output's loss that is gone: 0 nothing learned, 1 all; None without a baseline."""
        return self.gain_at(self.level)

    def gain_at(self, loss: float) -> float | None:
        """The gain that `loss` would be."""
        if self.baseline is None:
            return None
        room = self.baseline - (self.floor or 0.0)
        return (self.baseline - loss) / room if room > 0 else None

    @property
    def learns(self) -> bool | None:
        """True if the loss is surely below what a constant output reaches (or surely fell, where that is unknown).

        None where it cannot be told yet: while it still falls towards the baseline, or where it seems to lie well below
        it and single losses scatter too much to be sure. Asked is the last block, and if that is too short the last
        half, which has six times as many losses.
        """
        if len(self) < ENOUGH:
            return None
        fell = self.fallen > _SURE and self.level < self.start
        if self.baseline is None or self.gain is None:
            return True if fell else None
        below = (self.baseline - self.level) / self.error
        if self.gain > 0.02 and below > _SURE:
            return True
        gain, error = self.recent
        if gain > max(_SEEMS / 2, _SURE * error) and below > -1:
            return True
        if gain > max(_SEEMS, error) and self.gain > 0:
            return None
        if not self.exact and fell:
            return None
        return None if self.trend < -2 else False

    @cached_property
    def recent(self) -> tuple[float, float]:
        """Gain of the last half's mean, and its standard error; 0 without a baseline."""
        half, room = np.array(self.losses[len(self.losses) // 2 :]), (self.baseline or 0.0) - (self.floor or 0.0)
        if self.baseline is None or room <= 0 or not len(half):
            return 0.0, 0.0
        return self.gain_at(float(half.mean())) or 0.0, float(half.std()) / math.sqrt(len(half)) / room

    @cached_property
    def scatter(self) -> float:
        """Standard deviation of single losses around their block's mean, in the last half."""
        parts = self._parts[len(self._parts) // 2 :]
        return float(np.sqrt(np.mean(np.concatenate([(part - part.mean()) ** 2 for part in parts]))))

    @cached_property
    def first_scatter(self) -> float:
        """How much batches differ before anything is learned: the same for the first updates, without their trend."""
        return max(self._scatter(0, ENOUGH), self.rare)

    @cached_property
    def rises(self) -> int:
        """How often the blocks' means rise by more than four standard errors, with a fall in between."""
        lengths = np.array([len(part) for part in self._parts])
        errors = np.array([part.std() for part in self._parts]) / np.sqrt(np.maximum(lengths, 1))
        low, high, count, up = 0, 0, 0, False
        for place in range(1, len(self.blocks)):
            if not up and self.blocks[place] - self.blocks[low] > _APART * math.hypot(errors[place], errors[low]):
                count, up, high = count + 1, True, place
            elif up and self.blocks[high] - self.blocks[place] > _APART * math.hypot(errors[place], errors[high]):
                up, low = False, place
            high = place if self.blocks[place] > self.blocks[high] else high
            low = place if self.blocks[place] < self.blocks[low] else low
        return count

    @property
    def ceiling(self) -> float:
        """Losses above it have left: what a constant output reaches, or the start, many times over."""
        times = _CLASSES if self.known in ("cross_entropy", "nll") else _VALUES
        return times * max(abs(self.start), abs(self.baseline or 0.0))

    @property
    def blown_up(self) -> bool:
        """The last quarter lies above the ceiling."""
        tail = self.blocks[-max(len(self.blocks) // 4, 1) :]
        return bool(len(self) >= ENOUGH and tail.min() > self.ceiling > 0)

    @property
    def _first(self) -> int:
        return max(1, min(8, len(self.losses) // BLOCKS))

    @cached_property
    def _parts(self) -> Sequence[np.ndarray]:
        return np.array_split(np.array(self.losses), min(BLOCKS, max(len(self.losses), 1)))

    def _scatter(self, since: int, until: int | None = None) -> float:
        steps = np.diff(np.array(self.losses[since:until]))
        return float(np.median(np.abs(steps)) / 0.6745 / math.sqrt(2)) if len(steps) else 0.0


def swings(curve: Curve) -> bool:
    """Does the loss go up and down by more than its batches differ, and lose again what it had learned?"""
    if len(curve) < 2 * ENOUGH or (curve.learns is None and curve.gain is None):
        return False
    gained = curve.start - curve.best
    lately = float(np.median(curve.blocks[-3:]))
    # single large losses are batches, not swings: they widen the error as well
    risen = (curve.level - curve.best) / math.hypot(curve.error, curve.scatter / math.sqrt(curve.block), 1e-12)
    forgotten = risen > _SURE and min(curve.level, lately) - curve.best > max(gained, 0.0) / 2
    typical = min(lately, float(np.median(curve.losses[-max(curve.block, 8) :])))
    above = curve.learns is False and curve.gain is not None and (curve.gain_at(typical) or 0.0) < 0
    wide = curve.scatter > 3 * max(curve.first_scatter, 1e-12) or curve.rises >= 2
    # a long swing: surely up again from where it was, and worse than a constant
    return (wide and (forgotten or above)) or (above and forgotten and curve.risen > 2 * _SURE and gained > 0)


def _rare(loss: Loss) -> float:
    """Deviation of -log p(class) over the examples seen, divided by the root of the batch."""
    batches = [one for one in loss.batches if one.classes and one.size]
    counts: dict[int, int] = {}
    for batch in batches:
        for label, count in batch.classes.items():
            counts[label] = counts.get(label, 0) + count
    shares = np.array([one for one in counts.values() if one > 0], dtype=float)
    if len(shares) < 2:
        return 0.0
    shares /= shares.sum()
    costs = -np.log(shares)
    variance = float((shares * costs**2).sum() - (shares * costs).sum() ** 2)
    return math.sqrt(max(variance, 0.0) / batches[-1].size)


def wavering(values: np.ndarray) -> float:
    """Standard deviation of neighbouring values around their trend, from second differences; outliers do not count."""
    return float(np.median(np.abs(np.diff(values, 2)))) / 0.6745 / math.sqrt(6)


def kendall(values: Sequence[float] | np.ndarray) -> float:
    """Kendall's tau as a z value: how surely a short series rises (positive) or falls."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 3:
        return 0.0
    signs = np.sign(values[None, :] - values[:, None])[np.triu_indices(n, 1)]
    return float(signs.sum() / math.sqrt(n * (n - 1) * (2 * n + 5) / 18))
