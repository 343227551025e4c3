"""`latih.find_lr`: the learning rate to train with, tried before it is suggested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latih._checks import InputError, positive, whole
from latih._notation import build
from latih._recipe import Recipe
from latih.data import Examples, as_examples, peek_targets
from latih.optim import OptimizerSpec
from latih.schedules import constant
from latih.tape import untouched, unwrap
from latih.train import LossFunction, alone, loss_function
from latih.watch import without_foreign_hooks

from .._optimizer import OptimizerPlan
from ._batches import Batches, Pair, draw
from ._curve import read_curve
from ._finding import LrFinding
from ._generators import same_order
from ._stage import Stage, line, modules_of
from ._sweep import Swept, sweep
from ._validate import validate

_LOW, _HIGH = 1e-7, 100.0
_LOWER = 1e-6
"""Where the loss diverges within two decades, the ramp begins again so many times lower."""


@dataclass(frozen=True)
class Range:
    """The ramp of a sweep."""

    low: float | None = None
    high: float | None = None
    steps: int = 150

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if value is not None:
                positive("find_lr", name, value)
        whole("find_lr", "steps", self.steps, 20, "fewer rates than that make no curve")
        if not self.first < self.last:
            raise InputError(
                f"find_lr(low={self.first:g}, high={self.last:g}): low must be below high; swap them or leave them out."
            )

    @property
    def first(self) -> float:
        """The lowest rate."""
        return _LOW if self.low is None else self.low

    @property
    def last(self) -> float:
        """The highest rate."""
        return _HIGH if self.high is None else self.high


def find_lr(
    model: nn.Module,
    train: Any,
    *,
    loss: str | LossFunction | None = None,
    optimizer: str | OptimizerSpec | torch.optim.Optimizer | None = None,
    valid: Any = None,
    batch_size: int = 32,
    seed: int = 0,
    low: float | None = None,
    high: float | None = None,
    steps: int = 150,
) -> LrFinding:
    """Find the learning rate at which `model` learns best, and prove it by short trainings.

    A sweep raises the rate geometrically, one update each, until the loss diverges, and judges the same examples after
    every update. Three rates below the point where that loss is lowest then train for 100 updates each from the same
    weights on the same batches, and more where the best lies at an edge. The lowest held-out loss wins; of rates within
    one standard error of it the largest, but not one next to a rate that fails. Where the next lower rate comes near,
    both train for 400 updates; where nothing learns, all for 500. All of it happens on a copy. Model, gradients,
    buffers, modes, optimizer, random generators and the order of a loader stay as they are, bit for bit.

    Args:
        model: As it is before training, on the device where it will train.
        train: A pair (x, y) of arrays or tensors, a Dataset or a DataLoader of such pairs.
        loss: `loss(output, target)` -> scalar, or a name; None fits the targets.
        optimizer: Notation, a spec or a live optimizer; None is adam. Its own rate does not matter, the proportions
            between the rates of its groups do. A live one is taken as new: what it remembers stays unused.
        valid: Judges the candidates; without it a fifth of `train`, at most 512 examples, is held out.
        batch_size: As the training will have it; a DataLoader's is its own.
        seed: Of order, dropout and what is held out.
        low: Where the sweep begins; by default 1e-7, and lower where the loss diverges at once.
        high: Where it ends at the latest; by default 100.
        steps: Rates in the sweep, at least 20.

    Returns:
        `LrFinding`: `.lr` is the rate, None where none helps, with the reason in `.stopped`.

    Raises:
        InputError: Where model, data, loss and optimizer do not fit each other.

    When: before a training whose rate you do not know. It hurts to trust it far beyond: a rate that is best for the
    first hundreds of updates may be too high for the last ones, so let a schedule bring it down.

    Source: the range test is Smith's (2017, "Cyclical learning rates for training neural networks", section 3.3); the
    rule of one standard error Breiman's (1984, "Classification and regression trees", section 3.4.3).

    >>> x = torch.randn(256, 4)
    >>> finding = find_lr(nn.Linear(4, 2), (x, (x[:, 0] > 0).long()), optimizer="sgd()")
    >>> finding.lr > 0.01
    True
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"find_lr(model={type(model).__name__}): the model must be a torch.nn.Module.")
    if optimizer is not None and not isinstance(optimizer, str | OptimizerSpec | torch.optim.Optimizer):
        raise InputError(
            f"find_lr(optimizer={type(optimizer).__name__}): optimizer must be a torch optimizer or notation such as "
            "'sgd()'."
        )
    alone("find_lr", "look for the rate in one process, then train at it in several")
    ramp = Range(low, high, steps)
    whole("find_lr", "batch_size", batch_size, 1)
    whole("find_lr", "seed", seed, 0)
    model = unwrap(model)
    _check_trainable(model)
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with untouched(list(model.modules()), devices), same_order(train, valid):
        examples = as_examples(train, "train")
        validation = None if valid is None else as_examples(valid, "valid")
        chosen = _called(loss_function, loss, peek_targets(examples))
        plan = _called(OptimizerPlan.of, optimizer or "adam()", model)
        if plan.holds_none:
            raise InputError(
                "find_lr(optimizer=...): it holds no parameter of the model; build it from the model's own."
            )
        recipe = Recipe(batch_size=batch_size, seed=seed)
        return search(model, examples, validation, chosen, plan, recipe, ramp, shaped=not callable(loss))


def search(
    model: nn.Module,
    train: Examples,
    valid: Examples | None,
    loss: LossFunction,
    plan: OptimizerPlan,
    recipe: Recipe,
    ramp: Range | None = None,
    updates: int = 100,
    shaped: bool = False,
) -> LrFinding:
    """The same under a recipe (batch size, seed, clip, accumulation, precision, augmentation); its rate is not used.

    `shaped`: the loss is one of torch's that compare number by number, so outputs and targets must have one shape.
    """
    ramp = ramp or Range()
    _check_trainable(model)
    modules = modules_of(model, loss)
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with untouched(modules, devices), same_order(train, valid), without_foreign_hooks(model):
        for parameter in model.parameters():
            parameter.grad = None  # a loss may reach the model itself, and add to gradients that are still needed
        augment = build("augment", recipe.augment)
        count = max(ramp.steps, updates)
        batches = draw(train, valid, batch_size=recipe.batch_size, count=count, seed=recipe.seed, augment=augment)
        stage = Stage(model, loss, plan, recipe)
        groups = [float(group["lr"]) for group in stage.optimizer(1.0).param_groups]
        try:
            if shaped:
                _check_shapes(stage, batches.train[0])
            swept = _swept(stage, batches, ramp)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"find_lr(model, train): one update on a batch of shape {tuple(batches.train[0][0].shape)} fails: "
                f"{line(error)}; fit model, data and loss to each other."
            ) from error
        finding = _judged(stage, batches, ramp, swept, updates)
    notes = (*stage.notes, *batches.notes)
    if finding.lr is None:
        return replace(finding, optimizer=plan.text, notes=notes)
    rates = tuple(finding.lr * group for group in groups)
    return replace(finding, optimizer=plan.with_lr(finding.lr).text, groups=rates, notes=notes)


def _swept(stage: Stage, batches: Batches, ramp: Range) -> Swept:
    swept = sweep(stage, batches, ramp.first, ramp.last, ramp.steps)
    if ramp.low is None and swept.end == "diverged" and swept.rates[-1] < ramp.first * 100:
        swept = sweep(stage, batches, ramp.first * _LOWER, ramp.first * 100, ramp.steps)
    return swept


def _judged(stage: Stage, batches: Batches, ramp: Range, swept: Swept, updates: int) -> LrFinding:
    """The finding without what the optimizer makes of it."""
    curve = read_curve(swept)

    def finding(lr: float | None, stopped: str, **more: Any) -> LrFinding:
        return LrFinding(lr, (), "", stopped, swept, curve, **more)

    if swept.end == "unusable":
        return finding(None, f"the loss is {swept.start} before the first update: no rate helps.")
    if curve.lowest is None:
        return finding(None, f"the loss never fell{_where(swept)}: no rate helps.")
    ends = (min(swept.rates[0], ramp.first), swept.rates[-1])
    trials = validate(stage, batches, curve, ends, updates)
    tried = {
        "candidates": trials.candidates,
        "finals": trials.finals,
        "start": sum(trials.start) / len(trials.start),
        "updates": trials.updates,
    }
    if trials.best is None:
        return finding(
            None,
            "the loss of the training examples fell in the sweep, but no rate made the held-out loss fall beyond "
            f"noise in {trials.updates} updates: no rate helps.",
            **tried,
        )
    return finding(trials.best.lr, f"{_END[swept.end]} {swept.rates[-1]:.2g}.", **tried)


_END = {"diverged": "the loss diverged at", "highest": "the sweep reached the highest rate,"}


def _where(swept: Swept) -> str:
    return f", and diverged at {swept.rates[-1]:.2g}" if swept.end == "diverged" else f" up to {swept.rates[-1]:.2g}"


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function of another verb: its sentences name that verb."""
    try:
        return function(*arguments)
    except InputError as error:
        said = str(error)
        for verb in ("heal(", "train("):
            said = said.replace(verb, "find_lr(", 1) if said.startswith(verb) else said
        raise InputError(said) from None


def _check_trainable(model: nn.Module) -> None:
    if any(is_lazy(one) for one in model.parameters()):
        raise InputError("find_lr(model=...): the model has lazy parameters; run it on a batch first.")
    if not any(one.requires_grad for one in model.parameters()):
        raise InputError("find_lr(model=...): the model has no parameter that may be trained; unfreeze or add a layer.")


def _check_shapes(stage: Stage, pair: Pair) -> None:
    """Refuse targets that would be broadcast against the outputs; torch only warns."""
    inputs, targets = stage.placed(pair)
    if not targets.is_floating_point():
        return
    with stage.run(1.0, constant()) as step, torch.no_grad():
        output = step.model(inputs)
    if isinstance(output, Tensor) and output.shape != targets.shape:
        raise InputError(
            f"find_lr(train=...): the model's outputs have shape {tuple(output.shape)} and the targets "
            f"{tuple(targets.shape)}, which would be broadcast against each other; give the targets shape "
            f"{tuple(output.shape)}."
        )
