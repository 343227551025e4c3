"""Where rates are tried: a copy of the model, or the model itself, which is put back after every run."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih._notation import build
from latih._rebound import rebound
from latih._recipe import Recipe
from latih.schedules import Schedule, constant
from latih.tape import untouched
from latih.train import LossFunction, Step, seeded

from .._optimizer import OptimizerPlan
from ._batches import Batches, Pair

_SETTLING = 30


class Stage:
    """Every run on it begins at the same weights, with a new optimizer and the same random numbers."""

    def __init__(self, model: nn.Module, loss: LossFunction, plan: OptimizerPlan, recipe: Recipe) -> None:
        self.notes: list[str] = []
        self.plan, self.recipe = plan, recipe
        try:
            memo: dict = {}
            self.model = copy.deepcopy(model, memo)
            self.loss = rebound(loss, memo)
            if _shares(self.model, model):
                raise TypeError("its copy shares tensors with it")
        except Exception as error:  # whatever a module's own attributes raise
            self.notes.append(f"the model cannot be copied ({line(error)}): it was trained itself and put back")
            self.model, self.loss = model, loss
        self.devices = {one.device for one in [*model.parameters(), *model.buffers()]}
        self.device = next(model.parameters()).device

    @contextmanager
    def run(self, lr: float, schedule: Schedule) -> Iterator[Step]:
        """A training at base rate `lr` in training mode; afterwards all is as it was."""
        modules = modules_of(self.model, self.loss)
        recipe = self.recipe
        with untouched(modules, self.devices), seeded(recipe.seed), torch.inference_mode(False), torch.enable_grad():
            random.seed(recipe.seed)
            np.random.seed(recipe.seed % 2**32)
            for parameter in self.model.parameters():
                parameter.grad = None
            step = Step(
                self.model,
                self.loss,
                self.optimizer(lr),
                schedule,
                build("clip", recipe.clip),
                accumulate=recipe.accumulate,
                precision=recipe.precision,
            )
            step.mode(training=True)
            yield step

    def optimizer(self, lr: float) -> torch.optim.Optimizer:
        """A new one over the model's parameters, the largest group at `lr`, the others in proportion."""
        try:
            return self.plan.with_lr(lr)(self.model)
        except InputError:
            raise
        except Exception as error:  # constructors of other libraries
            raise InputError(
                f"find_lr(optimizer={self.plan.name}): it cannot be made again for a trial ({line(error)}); "
                "pass notation such as 'adam()'."
            ) from error

    def update(self, step: Step, pair: Pair) -> float:
        """One update; the loss before it."""
        inputs, targets = self.placed(pair)
        step(inputs, targets)
        return float(step.loss)

    @torch.no_grad()
    def losses(self, step: Step, pairs: Sequence[Pair]) -> list[float]:
        """The loss of each pair in the mode that the model is in, whatever is random in it drawn the same."""
        with seeded(self.recipe.seed), step.autocast:
            return [_one_number(step.loss_function(step.model(x), y)) for x, y in map(self.placed, pairs)]

    def evaluate(self, step: Step, pairs: Sequence[Pair]) -> list[float]:
        """The same in evaluation mode; training can go on."""
        step.mode(training=False)
        losses = self.losses(step, pairs)
        step.mode(training=True)
        return losses

    def untrained(self, batches: Batches) -> list[float]:
        """The held-out losses before the first update."""
        with self.run(1.0, constant()) as step:
            if next(self.model.buffers(), None) is not None:
                # running statistics of a new network are no one's: let them see some batches first
                self.losses(step, batches.train[:_SETTLING])
            return self.evaluate(step, batches.held)

    def placed(self, pair: Pair) -> Pair:
        """On the model's device, in tensors that a model may write to."""
        return pair[0].to(self.device, copy=True), pair[1].to(self.device)


def modules_of(*parts: object) -> list[nn.Module]:
    """All modules of those parts that are modules; a loss may be a function."""
    return [module for part in parts if isinstance(part, nn.Module) for module in part.modules()]


def mean(pairs: Sequence[Pair], losses: Sequence[float]) -> float:
    """Over all examples of the pairs."""
    sizes = [len(targets) for _, targets in pairs]
    return sum(size * loss for size, loss in zip(sizes, losses, strict=True)) / sum(sizes)


def _one_number(loss: Any) -> float:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise InputError("find_lr(loss=...): the loss must be one number for a batch; reduce it with .mean().")
    return float(loss)


def line(error: Exception) -> str:
    """The first line of what it says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _shares(one: nn.Module, other: nn.Module) -> bool:
    def tensors(model: nn.Module) -> set[Tensor]:
        return {*model.parameters(), *model.buffers()}

    return bool(tensors(one) & tensors(other))
