"""Fresh weights for an edited model, where they would be other than those that it has."""

from __future__ import annotations

import math
from contextlib import suppress

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.init import InitTable, initialize
from latih.train import LossFunction

from .._base import Case
from ._trained import trained

_FACTOR = math.sqrt(1.5)
"""Of deviations: variances within 1.5 are as good."""
_SHIFT = 0.4
"""Root mean square by which a bias has to move to count: a quarter of an lstm's moves by 1."""


def redraw(model: nn.Module, loss: LossFunction, case: Case, seed: int) -> tuple[InitTable, tuple[str, ...]] | None:
    """Fill `model` in place by the rule of each layer; the table and the paths that were kept. None: nothing new.

    With None the weights may still have been drawn: take another copy. Trained and frozen weights stay.
    """
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    record, old = case.findings.record, trained(model, case)
    drawn = not old and record is not None and any(one.fresh for one in record.parameters)
    frozen = [name for name, one in model.named_parameters() if not one.requires_grad]
    keep = dict.fromkeys([*(name.rpartition(".")[0] or name for name in old), *frozen])
    with suppress(InputError):
        # force: a norm that has counted batches says nothing where every weight is known to be a draw
        table = initialize(model, case.batch, loss, seed=seed, keep=keep, force=drawn)
        if any(_differs(before[name], one, _factor(table, name)) for name, one in model.named_parameters()):
            return table, tuple(keep)
    return None


def redraw_code(seed: int, keep: tuple[str, ...] = ()) -> str:
    """The same in a program of one's own."""
    kept = f", keep={list(keep)}" if keep else ""
    return f"latih.initialize(model, (x, y), loss, seed={seed}{kept})"


@torch.no_grad()
def _differs(before: Tensor, now: Tensor, factor: float) -> bool:
    """Whether weights of the rule's deviation, without the measured `factor` of one draw, would be other weights."""
    if not now.numel() or torch.equal(before, now):
        return False
    if not bool(before.isfinite().all()):
        return True
    if before.dim() < 2:
        return _size(now - before) > _SHIFT
    # two deviations, each estimated from so many draws, differ by 1 / sqrt(draws) by chance
    most = _FACTOR * (1 + 2 / math.sqrt(now.numel()))
    pairs = [(measure(before), measure(now) / factor) for measure in (_size, _spread)]
    return any(new > most * old or old > most * new for old, new in pairs)


def _factor(table: InitTable, name: str) -> float:
    """By which the parameter's layer was rescaled after the draw."""
    return next((row.factor for row in table.rows if f"{name}.".startswith(f"{row.layer}.")), 1.0)


def _size(values: Tensor) -> float:
    return float(values.abs().double().square().mean().sqrt())


def _spread(values: Tensor) -> float:
    return (
        float(values.abs().double().std(correction=0))
        if values.is_complex()
        else float(values.double().std(correction=0))
    )
