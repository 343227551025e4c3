"""Measure a training, in anyone's loop, without a trace on the model.

`latih.watch(model, optimizer=optimizer)` is a `with` block; inside it every loss is recorded and, in samples, what each
layer puts out, what gradient comes back, and how far each weight really moves. The result is a `Record`: plain data,
kept as JSON lines, read without torch. What it means is judged by `latih.diagnose`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from latih._verbs import make_callable

from ._loss_facts import Batch, Loss, Values
from ._record import (
    Evaluation,
    Layer,
    Norm,
    Optimizer,
    Origin,
    Parameter,
    Probes,
    Reading,
    Record,
    Sample,
)
from ._verb import watch

if TYPE_CHECKING:
    from ._association import association as association
    from ._association import association_of as association_of
    from ._losses import constant_of as constant_of
    from ._origin import Suspect as Suspect
    from ._rerun import unnoticed as unnoticed
    from ._rerun import without_foreign_hooks as without_foreign_hooks
    from ._values import values_of as values_of
    from ._watching import Watching

__all__ = [
    "Batch",
    "Evaluation",
    "Layer",
    "Loss",
    "Norm",
    "Optimizer",
    "Origin",
    "Parameter",
    "Probes",
    "Reading",
    "Record",
    "Sample",
    "Values",
    "Watching",
    "watch",
]

_HOMES = {
    "Suspect": "_origin",
    "Watching": "_watching",
    "association": "_association",
    "association_of": "_association",
    "constant_of": "_losses",
    "unnoticed": "_rerun",
    "values_of": "_values",
    "without_foreign_hooks": "_rerun",
}


def __getattr__(name: str) -> Any:
    # what needs torch is imported when it is used: a record is read without it
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


make_callable(__name__, watch)
