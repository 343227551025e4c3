"""When to look: often at first, then so rarely that it costs next to nothing."""

from __future__ import annotations

import time

_FIRST = (1, 2, 5, 10, 20, 35, 60, 100, 200, 350, 600, 1000)
"""Updates at which every run is looked at, as far as they come before the regular rhythm."""
_SURE = 10
"""Those up to here are looked at whatever they cost; later ones as long as little was spent by then."""
_EARLY_SHARE = 0.04
_SHARE = 0.012
"""Shares of the time that early and regular samples may take."""
_SHORTEST, _LONGEST = 10, 10_000
_ALARM, _REST = 4, 16
"""Samples that are taken quickly after an alarm, and samples that must pass until the next one."""


class Pace:
    """Says at which updates to take a sample; learns from what samples and steps cost.

    With `every` the rhythm is fixed. Without, the gap between samples is set so that they take about one percent of
    the time; it is cut to a quarter for a few samples when something looks wrong.
    """

    def __init__(self, every: int | None) -> None:
        self.every = every
        self.next = 0
        """The update to look at next."""
        self._spent, self._samples = 0.0, 0
        self._began, self._from = 0.0, 0
        self._quick, self._rest = 0, 0

    def due(self, update: int) -> bool:
        """Whether `update` (counted from 0) is one to look at."""
        return update >= self.next

    def began(self, update: int) -> None:
        """The clock starts: what came before, as reading the structure, happens once."""
        self._began, self._from, self._spent, self._samples = time.perf_counter(), update, 0.0, 0

    def step(self, update: int) -> float:
        """Seconds that one step takes without sampling; 0 while nothing is known."""
        steps = update - self._from
        return max(time.perf_counter() - self._began - self._spent, 1e-9) / steps if steps > 0 else 0.0

    def taken(self, update: int, seconds: float) -> None:
        """A sample was taken at `update` and cost `seconds`."""
        self._spent += seconds
        self._samples += 1
        self._rest = max(self._rest - 1, 0)
        if self.every is not None:
            self.next = update + self.every
            return
        gap = self._gap(update)
        if self._quick:
            self._quick -= 1
            self.next = update + max(gap // 4, 1)
        else:
            self.next = min(update + gap, self._early(update))

    def alarm(self, update: int) -> None:
        """Something looks wrong: look again soon, and more often for a while."""
        if self.every is None and not self._rest:
            self._quick, self._rest = _ALARM, _ALARM + _REST
            self.next = min(self.next, update + 1)

    def _early(self, update: int) -> float:
        thrifty = self._spent < _EARLY_SHARE * (time.perf_counter() - self._began)
        return next((one for one in _FIRST if one > update and (one <= _SURE or thrifty)), float("inf"))

    def _gap(self, update: int) -> int:
        if not self._samples or update - self._from < 2:
            return _SHORTEST
        cost = self._spent / self._samples
        return int(min(max(cost / (_SHARE * self.step(update)), _SHORTEST), _LONGEST))
