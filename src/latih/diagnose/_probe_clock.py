"""How much work probes may do."""

from __future__ import annotations

import time

BUDGET = 1.0
"""Seconds of this process's own time for all probes of one check."""
STEPS, FEWEST = 24, 8
"""Steps of a probe: as many as are wanted, and as few as still say something."""
EXAMPLES, FEW_EXAMPLES = 32, 8
"""On which probes are made, and where that takes too long."""


class Clock:
    """Counts the time that this thread works, so that what a probe does not depends on what else the machine does."""

    def __init__(self, budget: float = BUDGET) -> None:
        self._until = time.thread_time() + budget

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - time.thread_time()

    def steps(self, seconds: float, probes: int) -> int:
        """Steps that each of `probes` probes may take where a step takes `seconds`; 0 if too few to be of use."""
        steps = min(int(max(self.left, 0.0) / max(seconds, 1e-9) / max(probes, 1)), STEPS)
        return steps if steps >= FEWEST else 0
