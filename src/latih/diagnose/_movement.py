"""How far do the weights move? The clock of a training: it counts steps by their length, not by their number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latih.watch import Record

_NOTHING = 0.02
"""Deviation of the first weights times the root of the fan-in (1 is usual), below which they start at nothing."""


@dataclass(frozen=True)
class Movement:
    """True updates divided by the weights that they change, over the sampled steps.

    A network that starts from random weights has to move them by about their own length before it can have become
    another network, so the sum of these ratios tells whether a training has had its chance, whatever the optimizer,
    the learning rate and the scale of the gradients are.
    """

    steps: tuple[int, ...]
    grown: float
    """The middle layer's weight norm now, divided by that at the first sample."""
    layers: tuple[dict[str, float], ...]
    """For every step: layer -> |update| / |weight|, of the layers that move (of all where none does)."""

    @classmethod
    def of(cls, record: Record) -> Movement:
        """From the samples that saw an update."""
        seen, grown = [], _from_nothing(record)
        for sample in record.samples:
            changes = {one.layer: one.weight_change for one in sample.readings if one.weight_change is not None}
            changes = {layer: change for layer, change in changes.items() if layer not in grown}
            moving = {layer: change for layer, change in changes.items() if change > 0}  # others may be frozen
            if changes:
                seen.append((sample.step, moving or changes))
        return cls(tuple(step for step, _ in seen), _grown(record), tuple(changes for _, changes in seen))

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def ratios(self) -> np.ndarray:
        """The middle layer's ratio at every step."""
        return np.array([float(np.median(list(changes.values()))) for changes in self.layers])

    @cached_property
    def peak(self) -> float:
        """The largest ratio of the middle layer."""
        return float(self.ratios.max()) if len(self) else 0.0

    @cached_property
    def now(self) -> float:
        """The middle layer's ratio over the last samples."""
        return float(np.median(self.ratios[-3:])) if len(self) else 0.0

    def travelled(self, until: int) -> float:
        """The sum of the ratios over all updates before `until`; between samples the last one counts."""
        ends = np.clip([*self.steps[1:], until], 0, until)
        gaps = np.clip(ends - np.clip(self.steps, 0, until), 0, None) if len(self) else np.zeros(0)
        return float(np.sum(self.ratios * gaps)) if len(self) else 0.0

    @cached_property
    def spread(self) -> float:
        """Decades between the layers that move most and least (a tenth of them left out at either end)."""
        decades = []
        for changes in self.layers[-5:]:
            moving = np.array([one for one in changes.values() if one > 0])
            if len(moving) >= 3:
                low, high = np.quantile(np.log10(moving), (0.1, 0.9))
                decades.append(high - low)
        return float(np.median(decades)) if decades else 0.0


def _from_nothing(record: Record) -> set[str]:
    """Layers that start at about zero: they grow first, and have no length that a step could wipe out."""
    fans = {layer.name: layer.fan_in for layer in record.layers}
    first: dict[str, float] = {}
    for sample in record.samples:
        for one in sample.readings:
            if one.weight_std is not None:
                first.setdefault(one.layer, one.weight_std)
    return {layer for layer, size in first.items() if size * max(fans.get(layer, 1), 1) ** 0.5 < _NOTHING}


def _grown(record: Record) -> float:
    """Of the middle layer."""
    shares = grown(record)
    return float(np.median(list(shares.values()))) if shares else 1.0


def grown(record: Record) -> dict[str, float]:
    """Every layer's weight norm now, divided by that at the first sample."""
    norms = [{one.layer: one.weight_norm for one in sample.readings if one.weight_norm} for sample in record.samples]
    norms = [one for one in norms if one]
    return {name: norms[-1][name] / norms[0][name] for name in norms[0] if name in norms[-1]} if norms else {}
