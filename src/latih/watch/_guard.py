"""What keeps watching from ever ending a training, or from watching itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_depth = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, the model is run for our own sake: no watch of this process looks at it."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def is_quiet() -> bool:
    """Whether some watch is running a model for its own sake."""
    return _depth > 0


class Guard:
    """Catches what goes wrong in a measurement, says so once in the notes, and ends that measurement for good."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.stopped: set[str] = set()
        self.on_failure: Callable[[str], None] = lambda part: None

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def failed(self, part: str, error: Exception) -> None:
        """End the measurement called `part`."""
        self.stopped.add(part)
        first = next(iter(str(error).splitlines()), "")
        self.on_failure(part)
        self.note(f"{part} could not be measured any further: {type(error).__name__}: {first}")


def guarded(part: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For methods of objects with a `guard`: after a first failure the method does nothing any more."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def safe(self: Any, *args: Any, **kwargs: Any) -> Any:
            if part in self.guard.stopped:
                return None
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                self.guard.failed(part, error)
                return None

        return safe

    return wrap
