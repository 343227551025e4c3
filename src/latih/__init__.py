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
    from latih.init import initialize
    from latih.train import train

__all__ = ["InputError", "Recipe", "__version__", "initialize", "train"]

_ROOMS = ("activations", "clip", "data", "init", "models", "norm", "optim", "report", "schedules", "train")


def __getattr__(name: str) -> Any:
    # rooms are imported when they are used: torch takes seconds, and `latih --help` needs none of it
    if name in _ROOMS:
        return importlib.import_module(f"latih.{name}")
    if name == "initialize":
        return importlib.import_module("latih.init").initialize
    raise AttributeError(f"module 'latih' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
