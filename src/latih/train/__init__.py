"""The loop, the step, and what a run leaves behind.

`latih.train(model, train, valid, recipe=Recipe(...))` is the verb; this package is also callable, so the name means
the same however it was imported. A `Trainer` runs one `Step` object over the examples and tells `Callback`s about
every moment.
"""

from latih._checks import InputError as InputError
from latih._recipe import Recipe as Recipe
from latih._recipe import Source as Source
from latih._verbs import make_callable

from ._callbacks import Callback, StopTraining
from ._card import Card, Pipeline, load_model
from ._export import export_onnx
from ._fit import Options, Run
from ._history import History
from ._job import describe, prepare, run_job
from ._log import Log
from ._predict import Predictions, predict
from ._progress import Reporter
from ._step import Step
from ._trainer import Trainer
from ._verb import train

__all__ = [
    "Callback",
    "Card",
    "History",
    "Log",
    "Options",
    "Pipeline",
    "Predictions",
    "Recipe",
    "Reporter",
    "Run",
    "Source",
    "Step",
    "StopTraining",
    "Trainer",
    "describe",
    "export_onnx",
    "load_model",
    "predict",
    "prepare",
    "run_job",
    "train",
]

make_callable(__name__, train)
