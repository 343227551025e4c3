"""The search for what `latih train` would train."""

from __future__ import annotations

from latih._notation import build
from latih._recipe import Recipe
from latih.train import Prepared, loss_of, pick_device, seeded

from .._optimizer import OptimizerPlan
from ._finding import LrFinding
from ._verb import Range, search


def lr_job(recipe: Recipe, prepared: Prepared, ramp: Range | None = None) -> LrFinding:
    """What `find_lr` says of model, data and loss as the recipe would train them; the validation part judges.

    Moves the model to the recipe's device and leaves it otherwise as it is.
    """
    data, model, _ = prepared
    plan = OptimizerPlan(spec=build("optim", recipe.optimizer).with_(weight_decay=recipe.weight_decay))
    with seeded(recipe.seed):
        where = model.to(pick_device(recipe.device))
        return search(where, data.train, data.valid, loss_of(recipe, data), plan, recipe, ramp)
