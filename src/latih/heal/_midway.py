"""A run that is lost on the way: back to its last good state, healed there, and on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from latih._checks import InputError
from latih.train import DIVERGED as DIVERGED
from latih.train import TREATED, Callback, LastGood, Options, Parts, Recipe, Run, Trainer, fit, seeded

from ._healing import Healing
from ._optimizer import OptimizerPlan
from ._verb import heal

TRIES = Recipe.rollback
"""Times that a run goes back before it is given up, unless the recipe says otherwise."""


class Healer:
    """Asked by a run that has gone back: the rest of it as healing makes it, where that finds something."""

    def __init__(self, parts: Parts, recipe: Recipe) -> None:
        self.parts, self.recipe = parts, recipe
        self.healing: Healing | None = None
        self.epochs = 0
        """Complete epochs that are kept."""
        self.tries = recipe.rollback
        """That are left."""

    def __call__(self, trainer: Trainer, good: LastGood) -> str | None:
        """What healing changes, in words; None where it finds nothing, or too little is left to try anything in."""
        parts, used = self.parts, len(trainer.history.rollbacks) + 1
        left = replace(self.recipe, epochs=self.recipe.epochs - good.epochs, seed=self.recipe.seed + used, extended="")
        optimizer = OptimizerPlan.of(trainer.step.optimizer, parts.model)(parts.model)
        trainer.step.mode(training=False)
        try:
            with seeded(left.seed):
                healing = heal(
                    parts.model, parts.train, parts.valid, loss=parts.loss, recipe=left, optimizer=optimizer,
                    seed=left.seed,
                )  # fmt: skip
        except InputError:
            return None
        finally:
            trainer.step.mode(training=True)
        if healing.verdict != "healed":
            return None
        self.healing, self.epochs, self.tries = healing, good.epochs, self.recipe.rollback - used
        self.parts = replace(parts, model=healing.model, loss=healing.loss)
        return f"changed: {'; '.join(edit.text for edit in healing.edits)}"


class _Says(Callback):
    """Lets the run say what it says where nobody else reports."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_fit_start(self, trainer: Trainer) -> None:
        trainer.say = self.say


def watched_fit(
    parts: Parts,
    recipe: Recipe,
    options: Options,
    say: Callable[[str], None],
    begin: Callable[[Options], Run] | None = None,
) -> Run:
    """`fit`; a run that is lost goes back and is healed there, or goes on more slowly where healing finds nothing.

    `begin` makes the first attempt where more than `fit` is to be done. Later attempts write no checkpoints: the
    weights that they end with are `run.model`'s.
    """
    callbacks, healer = [_Says(say), *options.callbacks], Healer(parts, recipe)
    asking = replace(options, callbacks=callbacks, treat=healer)
    run = begin(asking) if begin is not None else fit(parts, recipe, asking)
    while run.history.stopped == TREATED and healer.healing is not None:
        earlier, done, healing = run, healer, healer.healing
        optimizer: torch.optim.Optimizer = healing.optimizer(done.parts.model)
        # the last attempt has one try, and nobody to ask
        left = replace(healing.recipe, rollback=max(done.tries, 1))
        healer = Healer(done.parts, left)
        again = Options(optimizer=optimizer, callbacks=callbacks, treat=healer if done.tries > 0 else None)
        run = fit(done.parts, left, again)
        run.folder, run.healing = earlier.folder, healing
        _joined(run, earlier, done.epochs)
    return run


def _joined(run: Run, earlier: Run, epochs: int) -> None:
    """The epochs that were kept, and all that went wrong so far, before what the new attempt did."""
    kept = [row for row in earlier.history.rows if row["epoch"] <= epochs]
    updates = kept[-1]["step"] if kept else 0
    for rows, before in ((run.history.rows, kept), (run.history.rollbacks, earlier.history.rollbacks)):
        later = [row | {"epoch": row["epoch"] + epochs, "step": row["step"] + updates} for row in rows]
        rows[:] = [*before, *later]
    if run.history.rollbacks:
        run.summary["rollbacks"] = run.history.rollbacks
