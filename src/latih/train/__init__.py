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
from ._card import fitted_outputs as fitted_outputs
from ._card import fitted_stages as fitted_stages
from ._card import network_of as network_of
from ._card import read_card as read_card
from ._card import save_card as save_card
from ._card import save_weights as save_weights
from ._device import pick_device as pick_device
from ._export import export_onnx
from ._fit import Options, Run
from ._fit import Parts as Parts
from ._fit import evaluate as evaluate
from ._fit import fit as fit
from ._fit import summarize as summarize
from ._history import History
from ._job import Prepared as Prepared
from ._job import check_job as check_job
from ._job import describe, prepare, run_job
from ._job import loss_of as loss_of
from ._last_good import LastGood as LastGood
from ._log import Log
from ._losses import Scaled as Scaled
from ._losses import loss_function as loss_function
from ._plan import planned as planned
from ._predict import Predictions, predict
from ._processes import World as World
from ._processes import alone as alone
from ._processes import current as current
from ._processes import joined as joined
from ._progress import Reporter
from ._rollback import DIVERGED as DIVERGED
from ._rollback import TREATED as TREATED
from ._rollback import Rollback
from ._seed import seeded as seeded
from ._step import LossFunction as LossFunction
from ._step import Step
from ._trainer import Trainer
from ._verb import train
from ._watcher import Watcher

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
    "Rollback",
    "Run",
    "Source",
    "Step",
    "StopTraining",
    "Trainer",
    "Watcher",
    "describe",
    "export_onnx",
    "load_model",
    "predict",
    "prepare",
    "run_job",
    "train",
]

make_callable(__name__, train)
