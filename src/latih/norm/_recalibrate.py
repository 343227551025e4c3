"""Fresh running statistics for weights that have moved without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from latih._checks import InputError, at_least
from latih.tape import call_model, mapped, split_batch

from ._pinned import is_pinned


def recalibrate(model: nn.Module, loader: Iterable[Any], batches: int | None = None) -> list[str]:
    """Recompute the running statistics of every batch norm from data, and return the norms' names.

    Needed wherever weights change outside of training: after averaging them, after a trial at a high learning rate,
    on data of another kind. Each statistic becomes the plain mean over the batches (torch's `momentum=None`), every
    batch counting the same. Only the norms run in training mode: dropout is off, no weight moves, and afterwards the
    modes and momenta are what they were. (`torch.optim.swa_utils.update_bn` runs the whole model in training mode.)
    Pinned norms keep their statistics.

    Args:
        model: any module; its parameters are not touched.
        loader: batches as `(inputs, targets)` or inputs alone; they are moved to the norms' device.
        batches: use only that many; None for all of the loader.

    Raises `InputError` for a loader without batches; then, and when the model fails on a batch, the old statistics
    are put back.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    >>> data = [(torch.randn(8, 4), torch.zeros(8)) for _ in range(3)]
    >>> recalibrate(net, data), int(net[1].num_batches_tracked)
    (['1'], 3)
    """
    if batches is not None:
        at_least("recalibrate", "batches", batches, 1, "leave it out to use the whole loader")
    norms = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None and not is_pinned(module)
    }
    if norms:
        calibrate(model, list(norms.values()), islice(loader, batches))
    return list(norms)


def calibrate(model: nn.Module, norms: list[_BatchNorm], batches: Iterable[Any]) -> None:
    """Recompute the statistics of `norms` alone."""
    with _statistics_or_nothing(norms), _calibrating(model, norms), torch.no_grad():
        seen = 0
        device = next(norms[0].buffers()).device
        for batch in batches:
            inputs, _ = split_batch(batch)
            call_model(model, mapped(inputs, lambda tensor: tensor.to(device)))
            seen += 1
        if not seen:
            raise InputError("recalibrate(loader=...): the loader gave no batch; pass the training data's loader.")


@contextmanager
def _calibrating(model: nn.Module, norms: list[_BatchNorm]) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    # by attribute: a module may override train(), to keep a mode or to remember it
    for module, _ in modes:
        module.training = False
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.training = True
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, momentum in momenta:
            norm.momentum = momentum


@contextmanager
def _statistics_or_nothing(norms: list[_BatchNorm]) -> Iterator[None]:
    before = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    try:
        yield
    except BaseException:
        for buffer, value in before:
            buffer.copy_(value)
        raise
