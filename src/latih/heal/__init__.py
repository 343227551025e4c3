"""Cure a training that does not learn, and prove the cure.

Each cure is a textbook remedy in a file of its own. Findings name the cures that fit; their variants race against the
unchanged training from the same seed and over the same batches, and what is kept has been proven on held-out data.
`latih.heal(model, train, valid)` is the verb; this package is also callable.
"""

from latih._verbs import make_callable

from ._base import Case, Cure, Edit, Training
from ._healing import Healing, Tried
from ._job import heal_job as heal_job
from ._job import train_job as train_job
from ._job import train_parts as train_parts
from ._optimizer import OptimizerPlan
from ._verb import heal
from .lr import LrFinding as LrFinding
from .lr import find_lr as find_lr

__all__ = ["Case", "Cure", "Edit", "Healing", "OptimizerPlan", "Training", "Tried", "heal"]

make_callable(__name__, heal)
