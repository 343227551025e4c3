"""A package that is also a verb: `latih.train(...)` and `from latih.train import Recipe` are both what users write.

Importing a subpackage binds its name in `latih`, which would hide the function of that name behind the module.
"""

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Verb(ModuleType):
    """A module that can be called."""

    _verb: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._verb(*args, **kwargs)


def make_callable(package: str, verb: Callable[..., Any]) -> None:
    """Let `package` be called as `verb`, with its signature and documentation."""
    module = sys.modules[package]
    module.__class__ = Verb
    module._verb = verb  # pyright: ignore
    module.__signature__ = inspect.signature(verb)  # pyright: ignore
