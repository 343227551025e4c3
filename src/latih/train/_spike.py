"""When a training loss has left its usual level: robust statistics of the losses, in plain numbers."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any, NamedTuple

WINDOW = 25
"""Updates that are judged together."""
_USUAL = 8 * WINDOW
"""Calm losses that say what is usual."""
_NOISE = 10.0
"""Standard deviations that the median of a window has to rise. By chance it moves a quarter of one."""
_SHARE = 0.5
"""And the share that it has to lose of what was learned, or of the loss itself where that is more."""
_START = 10
"""Losses whose median is the level that training began at."""
_LAST = 5
"""Losses that say whether it is rising just now."""


class Spike(NamedTuple):
    """A window of losses that has left."""

    usual: float
    """Median of the losses before."""
    now: float
    """Median of the window."""
    updates: int
    """How long ago it began."""


class Level:
    """Where the loss usually is, and whether it has left for good.

    A window of 25 losses has risen when its median lies ten standard deviations (1.4826 MAD, which outliers do not
    move) above the median of up to 200 calm losses before it, and half of what was learned since the start is gone.
    Single losses, however high, do not count: small batches and rare classes make them every day.

    >>> level = Level()
    >>> for step in range(100):
    ...     level.add(1 / (1 + step) + 0.01 * (step % 5))
    >>> level.risen() is None
    True
    >>> for step in range(25):
    ...     level.add(3.0)
    >>> level.risen().now
    3.0
    """

    def __init__(self) -> None:
        self.start: list[float] = []
        self.usual: deque[float] = deque(maxlen=_USUAL)
        self.window: list[float] = []

    def add(self, loss: float) -> None:
        """Take the finite loss of one update."""
        if len(self.start) < _START:
            self.start.append(loss)
        self.window.append(loss)

    @property
    def full(self) -> bool:
        """Whether there is a window to be judged."""
        return len(self.window) >= WINDOW

    def risen(self) -> Spike | None:
        """Judge the last 25 losses. A calm window becomes part of what is usual; one that rises or has risen stays."""
        if len(self.usual) >= WINDOW:
            now = statistics.median(self.window[-WINDOW:])
            usual = statistics.median(self.usual)
            if self._left(now, usual):
                middle = (usual + now) / 2
                began = next(place for place, loss in enumerate(self.window) if loss > middle)
                return Spike(usual, now, len(self.window) - began)
            if self.rising:
                return None
        self.usual.extend(self.window)
        self.window.clear()
        return None

    @property
    def rising(self) -> bool:
        """Whether the last few losses are all far above what is usual: too early to call it a spike, or good."""
        if len(self.usual) < WINDOW or len(self.window) < _LAST:
            return False
        return self._left(min(self.window[-_LAST:]), statistics.median(self.usual))

    def began(self) -> int | None:
        """Updates ago that the loss left its level, as told by the last few losses; None where they are usual.

        Where too little is known, all of the window has left: the steps were too large from the start.
        """
        if len(self.usual) < WINDOW:
            return len(self.window)
        usual = statistics.median(self.usual)
        high = [place for place, loss in enumerate(self.window) if self._left(loss, usual)]
        if not high or high[-1] < len(self.window) - _LAST:
            return None
        return len(self.window) - high[0]

    def accept(self) -> None:
        """The level is a new one: the data, not the weights, have changed."""
        self.usual.clear()
        self.usual.extend(self.window)
        self.window.clear()

    def undo(self) -> None:
        """The updates of the window are taken back."""
        self.window.clear()

    def state(self) -> dict[str, Any]:
        """Plain lists, for a checkpoint."""
        return {"start": list(self.start), "usual": list(self.usual), "window": list(self.window)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.start, self.window = list(state["start"]), list(state["window"])
        self.usual = deque(state["usual"], maxlen=_USUAL)

    def _left(self, loss: float, usual: float) -> bool:
        """Whether `loss` is far above the `usual` one, by both measures; the cheaper one first."""
        learned = statistics.median(self.start) - usual
        if loss <= usual + _SHARE * max(learned, abs(usual)):
            return False
        return loss > usual + _NOISE * 1.4826 * statistics.median(abs(one - usual) for one in self.usual)
