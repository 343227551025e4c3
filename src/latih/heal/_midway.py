"""A run that is lost on the way: back to the last epoch that was finite, healed there, and on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.train import Callback, Options, Parts, Recipe, Run, StopTraining, Trainer, fit

from ._optimizer import OptimizerPlan
from ._verb import heal

DIVERGED = "diverged"
TRIES = 3
"""Times that a run goes back before it is given up."""
_SLOWER = 0.1
"""Factor on the learning rate where healing finds nothing: the state that was lost was lost to its steps."""


class LastGood(Callback):
    """Keep the weights of the last epoch that was finite in memory, and stop a run that is lost."""

    def __init__(self) -> None:
        self.epoch = 0
        self.state: dict[str, Tensor] = {}
        self.optimizer: torch.optim.Optimizer | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """The first weights are good until they are shown not to be."""
        self.optimizer = trainer.step.optimizer
        self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """One look an epoch: nothing waits for the device in between."""
        finite = all(bool(one.isfinite().all()) for one in trainer.step.model.parameters())
        if not finite or not math.isfinite(trainer.history.rows[-1]["train_loss"]):
            raise StopTraining(DIVERGED)
        self._keep(trainer)

    def _keep(self, trainer: Trainer) -> None:
        self.epoch = trainer.epoch
        self.state = {name: one.detach().clone() for name, one in trainer.step.model.state_dict().items()}


def watched_fit(
    parts: Parts,
    recipe: Recipe,
    options: Options,
    say: Callable[[str], None],
    begin: Callable[[Options], Run] | None = None,
) -> Run:
    """`fit`; a run that is lost goes back, is healed there and goes on, at most three times.

    `begin` makes the first attempt where more than `fit` is to be done. Later attempts write no checkpoints: the
    weights that they end with are `run.model`'s.
    """
    good = LastGood()
    watching = replace(options, callbacks=[*options.callbacks, good])
    run = begin(watching) if begin is not None else fit(parts, recipe, watching)
    for attempt in range(1, TRIES + 1):
        if run.history.stopped != DIVERGED:
            return run
        parts.model.load_state_dict(good.state)
        kept = [row for row in run.history.rows if row["epoch"] <= good.epoch]
        left = replace(recipe, epochs=recipe.epochs - good.epoch, seed=recipe.seed + attempt)
        parts, left, optimizer, healing = _healed(parts, left, good.optimizer)
        what = "; ".join(edit.text for edit in healing.edits) if healing else f"learning rate x {_SLOWER:g}"
        say(f"not finite after epoch {good.epoch}: went back there ({attempt} of {TRIES}), changed: {what}")
        folder, earlier = run.folder, run
        good = LastGood()
        run = fit(parts, left, Options(optimizer=optimizer, callbacks=[*options.callbacks, good]))
        run.folder, run.healing = folder, healing or earlier.healing
        _joined(run, kept)
        good.epoch += int(kept[-1]["epoch"]) if kept else 0
    return run


def _healed(
    parts: Parts, recipe: Recipe, optimizer: torch.optim.Optimizer | None
) -> tuple[Parts, Recipe, torch.optim.Optimizer, Any]:
    """The rest of the run as healing makes it; at a tenth of the rate where that finds nothing."""
    assert optimizer is not None
    plan = OptimizerPlan.of(optimizer, parts.model)
    try:
        healing = heal(
            parts.model,
            parts.train,
            parts.valid,
            loss=parts.loss,
            recipe=recipe,
            optimizer=plan(parts.model),
            seed=recipe.seed,
        )
    except InputError:  # what is left is too short to try anything in
        healing = None
    if healing is None or healing.verdict != "healed":
        return parts, recipe, plan.with_lr(plan.lr * _SLOWER)(parts.model), None
    model: nn.Module = healing.model
    return replace(parts, model=model, loss=healing.loss), healing.recipe, healing.optimizer(model), healing


def _joined(run: Run, kept: list[dict[str, float]]) -> None:
    """The rows of the epochs that were kept before those of the new attempt."""
    if kept:
        epochs, updates = kept[-1]["epoch"], kept[-1]["step"]
        later = [row | {"epoch": row["epoch"] + epochs, "step": row["step"] + updates} for row in run.history.rows]
        run.history.rows[:] = [*kept, *later]
