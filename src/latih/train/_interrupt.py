"""Ctrl-C finishes the step, saves, and leaves a run that can go on."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from ._callbacks import Callback, StopTraining
from ._checkpoint import Checkpoints

if TYPE_CHECKING:
    from ._trainer import Trainer

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_EVERY = 10  # updates after which processes ask each other


class Interrupt(Callback):
    """On SIGINT or SIGTERM: finish the running step, save a checkpoint, stop. A second Ctrl-C stops at once."""

    def __init__(self, checkpoints: Checkpoints | None) -> None:
        self.checkpoints = checkpoints
        self.asked = self._several = False
        self._previous: dict[int, Any] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Listen; only the main thread may."""
        self._several = trainer.world.size > 1
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in _SIGNALS}

    def on_step_end(self, trainer: Trainer) -> None:
        """Between two steps is where a run can stop without losing anything."""
        if self._several and trainer.step.count % _EVERY:
            return
        if trainer.world.any(self.asked):
            trainer.interrupted = True
            if self.checkpoints is not None:
                self.checkpoints.save(trainer)
            raise StopTraining("interrupted")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        # torchrun hands on a Ctrl-C that its processes have received themselves, and waits for them
        if self.asked and not self._several:
            raise KeyboardInterrupt
        self.asked = True
