"""An output layer with a unit for every class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latih.train import seeded

from .._base import Case, Training
from .._optimizer import OptimizerPlan
from ._copies import copied
from ._ends import without_end
from ._kinds import Seen
from ._wrapping import module_at, output_of, replaced, wrapped


def widened(training: Training, case: Case, seen: Seen, classes: int) -> tuple[nn.Module, OptimizerPlan, str] | None:
    """A copy whose last linear layer has `classes` units, the plan, and the layer's name; None where that cannot be.

    Units that were there keep their weights, unless there was a single one: that stood for an amount.
    """
    heads = [layer for layer in seen.tape.layers if layer.is_head]
    if len(heads) != 1 or heads[0].kind != "linear" or heads[0].shared:
        return None
    model, plan = copied(training)[0], training.optimizer
    if seen.end is not None:
        model, _, plan = without_end(training, seen.end)
    path = heads[0].name
    found = module_at(model, path)
    if found is None or type(old := found[1]) is not nn.Linear or old.out_features >= classes:
        return None
    replaced(model, old, _wider(old, classes, training.recipe.seed))
    output = output_of(model, case.batch[0])
    if output is not None and output.dim() == 1 and output.numel() == len(case.batch[1]) * classes:
        model, plan = wrapped(model, plan, outputs=nn.Unflatten(0, (-1, classes)))
        output = output_of(model, case.batch[0])
    fits = output is not None and output.shape[:2] == (len(case.batch[1]), classes)
    return (model, plan, path) if fits else None


def _wider(old: nn.Linear, classes: int, seed: int) -> nn.Linear:
    with seeded(seed):
        new = nn.Linear(old.in_features, classes, old.bias is not None)
        nn.init.xavier_uniform_(new.weight)
    new = new.to(device=old.weight.device, dtype=old.weight.dtype)
    kept = old.out_features if old.out_features > 1 else 0
    with torch.no_grad():
        _fill(new.weight, old.weight, kept)
        if new.bias is not None:
            new.bias.zero_()
            _fill(new.bias, old.bias, kept)
    new.weight.requires_grad_(old.weight.requires_grad)
    return new


def _fill(new: Tensor, old: Tensor, rows: int) -> None:
    new[:rows] = old[:rows]
