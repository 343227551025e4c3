"""From what a caller passes to a training, a bench on which it can be tried, and a sample for the cures."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latih import tape
from latih._checks import InputError
from latih._rebound import rebound
from latih.data import Examples, as_examples, permutation
from latih.diagnose import Findings
from latih.optim import OptimizerSpec
from latih.train import LossFunction, Recipe, loss_function, pick_device

from ._base import Case, Task, Training
from ._optimizer import OptimizerPlan
from ._trial import Bench
from ._yardstick import Metric, Yardstick

_SAMPLE = 2000
_HELD_OUT = 0.2
"""Share of the training data that is held out where no validation data are given."""
_FEWEST = 16
"""Held-out examples below which nothing can be proven."""
_SHARE_LOOKED_AT = 0.01
"""Held-out examples that are looked at, as a share of all that the training will see."""
_LOOKED_AT = 100
"""And at least so many."""
_BINARY = ("binary_cross_entropy", "bce_with_logits")


class Parts(NamedTuple):
    """Examples to train on, held-out pairs, and what is to be said of them."""

    train: Examples
    valid: Examples
    notes: tuple[str, ...]


def parts_of(train: Any, valid: Any, seed: int) -> Parts:
    """Both as examples; a fifth of the training data is held out where there is nothing else to prove a cure on."""
    examples = as_examples(train, "train")
    if valid is not None:
        held = as_examples(valid, "valid")
        _enough(len(held), "valid")
        return Parts(examples, held, ())
    subset = getattr(examples, "subset", None)
    if subset is None:
        raise InputError("heal(valid=None): these training data cannot be split; pass valid=(x, y) to prove a cure on.")
    order = permutation(seed, 0, len(examples))
    count = int(len(examples) * _HELD_OUT)
    _enough(count, "train")
    note = f"no validation data: {count} of {len(examples)} training examples were held out for the proof"
    return Parts(subset(order[count:]), subset(order[:count]), (note,))


def _enough(count: int, name: str) -> None:
    if count < _FEWEST:
        raise InputError(
            f"heal({name}=...): {count} held-out examples prove nothing; pass at least {_FEWEST} as valid=(x, y)."
        )


def training_of(
    model: nn.Module,
    loss: str | LossFunction | None,
    recipe: Recipe,
    optimizer: str | OptimizerSpec | torch.optim.Optimizer | None,
    targets: Tensor,
) -> Training:
    """The training as it was given, on the device of the recipe; the model itself is only copied."""
    if not isinstance(model, nn.Module) or next(model.parameters(), None) is None:
        raise InputError(f"heal(model={type(model).__name__}): it has no parameters to train; pass the whole network.")
    device = pick_device(recipe.device)
    plan = OptimizerPlan.of(recipe.optimizer if optimizer is None else optimizer, model)
    if plan.spec is not None:
        spec = plan.spec.with_(lr=recipe.lr, weight_decay=recipe.weight_decay)
        plan = replace(plan, spec=spec)
        recipe = replace(recipe, optimizer=spec.text, lr=None, weight_decay=None)
    chosen = loss_function(loss or recipe.loss, targets)
    memo: dict[int, Any] = {}
    try:
        mine = copy.deepcopy(model, memo).to(device)
        chosen = rebound(chosen, memo)
    except Exception as error:
        raise InputError(
            f"heal(model={type(model).__name__}): it cannot be copied ({_line(error)}); pass a model fresh from its "
            "factory, without hooks and open files."
        ) from None
    for parameter in mine.parameters():
        parameter.grad = None
    mine.train()
    return Training(mine, chosen, plan, recipe)


def sample_of(train: Examples, seed: int) -> tuple[Tensor, Tensor]:
    """At most 2,000 examples in no order."""
    chosen = permutation(seed, 0, len(train))[:_SAMPLE]
    batch = next(iter(train.batches(chosen, len(chosen))))
    return batch.inputs.cpu(), batch.targets.cpu()


def first_batch(train: Examples, size: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What the first update of every trial sees."""
    size = min(size, len(train))
    batch = next(iter(train.batches(permutation(seed, 0, len(train))[:size], size)))
    return batch.inputs.to(device), batch.targets.to(device)


def bench_of(training: Training, parts: Parts, kind: str, metric: Metric | None, seed: int) -> Bench:
    """What all trials share; held-out data beyond what is worth its cost are left out."""
    recipe = training.recipe
    updates = recipe.epochs * -(-len(parts.train) // min(recipe.batch_size, len(parts.train)))
    most = max(_LOOKED_AT, min(2000, int(_SHARE_LOOKED_AT * updates * recipe.batch_size)))
    chosen = permutation(seed, 1, len(parts.valid))[:most]
    held = next(iter(parts.valid.batches(chosen, len(chosen))))
    valid = held.inputs.cpu(), held.targets.cpu()
    yardstick = Yardstick(task_of(kind, valid[1]), training.loss, kind)
    device = next(training.model.parameters()).device
    return Bench(parts.train, valid, yardstick, metric, device, updates, seed)


def task_of(kind: str, targets: Tensor) -> Task:
    """What is to be predicted, from the targets and the kind of the loss."""
    if targets.dtype == torch.bool:
        return "truth"
    if not targets.is_floating_point():
        return "classes"
    low, high = (float(targets.min()), float(targets.max())) if targets.numel() else (0.0, 1.0)
    whole = bool(((targets == 0) | (targets == 1)).all())
    if targets.dim() == 2 and targets.shape[1] > 1 and whole and bool((targets.sum(1) == 1).all()):
        return "classes"
    two = bool(((targets == low) | (targets == high)).all()) and low < high
    if (kind in _BINARY and ((low >= 0 and high <= 1) or two)) or (whole and low != high):
        return "truth"
    return "values" if kind != "unknown" else "other"


def case_of(
    training: Training,
    findings: Findings,
    before: Findings,
    batch: tuple[Tensor, Tensor],
    sample: tuple[Tensor, Tensor],
    bench: Bench,
) -> Case:
    """What the cures may look at."""
    inputs, targets = sample
    task = bench.yardstick.task
    classes = None
    if task == "classes":
        classes = targets.shape[1] if targets.is_floating_point() else int(targets.max()) + 1
    found = tape.read(training.model, batch, training.loss)
    return Case(findings, before, found, inputs, targets, batch, task, bench.updates, classes)


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
