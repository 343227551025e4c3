"""latih makes deep neural networks train.

Stacked layers make gradients vanish or explode. The remedies are known: initialisation that keeps the variance,
activations that do not saturate, batch normalisation, gradient clipping, faster optimizers, learning-rate schedules.
Each is a family here (`init`, `activations`, `norm`, `clip`, `optim`, `schedules`), every method a function whose
text is also its notation: `optim.nag(lr=0.01)` in Python, `--optimizer 'nag(lr=0.01)'` on the command line.
`latih.train` trains with them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from latih._checks import InputError
from latih._recipe import Recipe
from latih._version import __version__

if TYPE_CHECKING:
    from latih.diagnose import check
    from latih.heal import heal
    from latih.heal.lr import find_lr
    from latih.init import initialize
    from latih.train import train
    from latih.transfer import fine_tune
    from latih.watch import watch

__all__ = [
    "InputError",
    "Recipe",
    "__version__",
    "check",
    "find_lr",
    "fine_tune",
    "heal",
    "initialize",
    "train",
    "watch",
]

_ROOMS = (
    *("activations", "clip", "data", "diagnose", "init", "models", "norm", "optim", "report", "schedules", "train"),
    *("heal", "transfer", "watch"),
)
_VERBS = {"check": "diagnose", "initialize": "init", "find_lr": "heal.lr", "fine_tune": "transfer"}
"""Verb -> its room, where the room has another name."""


def __getattr__(name: str) -> Any:
    # rooms are imported when they are used: torch takes seconds, and `latih --help` needs none of it
    if name in _ROOMS:
        return importlib.import_module(f"latih.{name}")
    if name in _VERBS:
        return getattr(importlib.import_module(f"latih.{_VERBS[name]}"), name)
    raise AttributeError(f"module 'latih' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
