"""When something looks wrong enough to look more often."""

from __future__ import annotations

import statistics

from ._record import Sample

_JUMP = 20.0
"""Times the usual norm of the gradient."""
_RISE = 2.0
"""Times the lowest mean loss between two samples."""
_FEWEST = 3


class Alarm:
    """Compares each sample, and the losses since the one before, with what was usual."""

    def __init__(self) -> None:
        self._norms: list[float] = []
        self._lowest = float("inf")
        self._read = 0

    def rings(self, sample: Sample, losses: list[float | None]) -> bool:
        """Whether the gradient has jumped or the loss has risen, or either is not finite."""
        recent, self._read = losses[self._read :], len(losses)
        finite = [loss for loss in recent if loss is not None]
        mean = statistics.fmean(finite) if finite else self._lowest
        risen = 0 < self._lowest < float("inf") and mean > _RISE * self._lowest and len(finite) >= _FEWEST
        self._lowest = min(self._lowest, mean) if len(finite) >= _FEWEST else self._lowest
        usual = statistics.median(self._norms[-9:]) if len(self._norms) >= _FEWEST else float("inf")
        jumped = sample.grad_norm is not None and sample.grad_norm > _JUMP * usual
        if sample.grad_norm is not None:
            self._norms.append(sample.grad_norm)
        return jumped or risen or sample.grad_norm is None or len(finite) < len(recent)
