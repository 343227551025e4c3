"""Slow work off the training thread, one piece at a time, in what processor time training leaves."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable

_NICE = 10
"""A tenth of the time of a thread with the usual 0."""


class Writer:
    """Works in a thread of its own; what a piece of work fails with is raised where it is waited for.

    The thread lives as long as the work: none is idle when worker processes are forked, and Python waits for it before
    it ends.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether the last piece of work is not done yet."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], object]) -> None:
        """Begin `work` as soon as the piece before it is done."""
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(work,), name="latih-checkpoints")
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is in flight; raises what the last piece of work failed with, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, work: Callable[[], object]) -> None:
        try:
            _step_back()
            work()
        except BaseException as error:  # it belongs to the training thread
            self._error = error


def _step_back() -> None:
    """Let this thread wait for others that want the same core; only Linux has that for a thread alone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
