"""A hook that stays with the module or optimizer it was put on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Hook:
    """Calls `function`. Copied or pickled with its module, as for an average of the weights, it does nothing there."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any] | None) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return None if self.function is None else self.function(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Hook:
        return Hook(None)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hook, (None,)
