"""`latih.check`: what keeps a network from learning, from one batch before the first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from latih import _notation
from latih._checks import InputError
from latih.optim import OptimizerSpec
from latih.tape import split_batch, tensors, untouched, unwrap
from latih.watch import Probes, Record, constant_of, without_foreign_hooks

from ._base import Findings
from ._check_batch import Batch
from ._check_copy import Stage
from ._check_errors import check_arguments, failed
from ._check_sample import sampled
from ._judge import judge
from ._probe_constant import best_constant
from ._probes import probe_data, probe_model


def check(
    model: nn.Module,
    batch: Any,
    loss: Callable[[Any, Any], Tensor],
    *,
    optimizer: torch.optim.Optimizer | OptimizerSpec | str | None = None,
    train: Any = None,
) -> Findings:
    """Say what would keep `model` from learning, from one batch and before the first step.

    The batch runs forward and backward once or twice at the given weights. Then, on a copy and for about a second at
    most, it is tried whether 32 of its examples can be fitted: by your optimizer, by a safe one, and with inputs that
    say nothing. Model, gradients, buffers, modes, optimizer and random generators stay as they are, bit for bit.

    Args:
        model: Any module, as it is before training.
        batch: `(inputs, targets)` as the loop sees them; inputs may be a tensor, a tuple or a dict.
        loss: `loss(output, targets)` -> scalar.
        optimizer: The live one, or notation such as "adam(lr=0.001)". Without it, rates, and who is trained, are not
            judged.
        train: The training data, to see whether targets depend on inputs and in which order they come: a pair of
            arrays, a Dataset or a DataLoader. At most 1,000 examples are read.

    Returns:
        `Findings`: print it, iterate over it, or ask `findings.healthy`.

    Raises:
        InputError: For a model without parameters, a batch that model or loss fails on, a loss that is no scalar. A
            loss that is not finite is a finding.

    >>> net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 3))
    >>> inputs, labels = torch.randn(64, 8), torch.randint(3, (64,))
    >>> check(net, (inputs, labels), nn.functional.cross_entropy).healthy
    True
    """
    return judge(examine(model, batch, loss, optimizer=optimizer, train=train))


def examine(
    model: nn.Module,
    batch: Any,
    loss: Callable[[Any, Any], Tensor],
    *,
    optimizer: torch.optim.Optimizer | OptimizerSpec | str | None = None,
    train: Any = None,
) -> Record:
    """The record that `check` judges: one sample, facts about the batch, and `record.probes`."""
    check_arguments(model, batch, loss, optimizer)
    model = unwrap(model)
    parts = Batch(*split_batch(batch))
    losses = list(loss.modules()) if isinstance(loss, nn.Module) else []
    held = [*model.modules(), *losses]
    devices = {one.device for one in [*model.parameters(), *model.buffers(), *tensors(batch)]}
    with untouched(held, devices):
        for one in [*model.parameters(), *(parameter for module in losses for parameter in module.parameters())]:
            one.grad = None  # a loss may reach the model itself, and add to gradients that somebody still needs
        live = _live(optimizer, model)
        try:
            try:
                with without_foreign_hooks(model):
                    return _record(Stage(model, loss, live), parts, train)
            except InputError:
                raise
            except Exception:
                if _has_hooks(model):  # it may need its own hooks
                    return _record(Stage(model, loss, live), parts, train)
                # a loss may read what the model keeps of its last pass, which a copy keeps for itself
                return _record(Stage(model, loss, live, copied=False), parts, train)
        except InputError:
            raise
        except Exception as error:
            raise failed(model, batch, loss, error) from error


def _record(stage: Stage, batch: Batch, train: Any) -> Record:
    record, start, output = sampled(stage, batch)
    record.probes = Probes()
    probe_model(stage, batch, start, record.probes, record.notes)
    if record.loss.baseline is None:
        record.loss.baseline = best_constant(stage.loss, output, batch)
    if train is not None:
        record.examples, targets = probe_data(train, record.probes, record.notes)
        common = None if targets is None else constant_of(record.loss.kind, targets)
        if common is not None and record.loss.baseline is not None and record.loss.reduction == "mean":
            # a batch of examples that happen to be alike would be guessed too easily
            record.loss.baseline = max(record.loss.baseline, common)
    record.notes += stage.notes
    return record


def _live(
    optimizer: torch.optim.Optimizer | OptimizerSpec | str | None, model: nn.Module
) -> torch.optim.Optimizer | None:
    spec = _notation.build("optim", optimizer) if isinstance(optimizer, str) else optimizer
    return spec(model) if isinstance(spec, OptimizerSpec) else spec


def _has_hooks(model: nn.Module) -> bool:
    return any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
