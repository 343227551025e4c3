"""One watched step on the batch: structure, readings and what the loss does."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from latih.tape import mapped, tensors
from latih.watch import Record, Watching, values_of

from ._check_batch import Batch
from ._check_copy import Stage
from ._check_errors import check_loss

_CLASSES = 1000


def sampled(stage: Stage, batch: Batch) -> tuple[Record, float, Any]:
    """The record of one watched step, the loss at the given weights, and the output."""
    with stage.experiment(), Watching(stage.model, stage.optimizer, None, 1) as watching:
        output, total = stage.run(batch)
        check_loss(total)
        if total.requires_grad:
            total.backward()
            _step(stage, batch)
        output = mapped(output, lambda one: one.detach().clone())
    record = watching.finish()
    # the step was made on a copy, for the size of an update: no training has been seen
    record.losses, record.updates, record.stale_updates = [], 0, 0
    for sample in record.samples:
        sample.stale_gradient = None
    if not total.requires_grad:
        record.notes.append("the loss depends on no parameter that may learn: gradients and updates were not measured")
    if record.loss.targets is None:
        _targets(record, batch.targets)
    return record, float(total.detach()), output


def _step(stage: Stage, batch: Batch) -> None:
    if stage.optimizer is None:
        with torch.no_grad():
            for one in stage.parameters:
                one.add_(0)  # counts as an update, which ends the sample, and changes nothing
        return
    advance(stage, batch)


def advance(stage: Stage, batch: Batch) -> None:
    """One step of the user's optimizer; gradients are there already."""
    assert stage.optimizer is not None

    def again() -> Any:
        return stage.differentiate(batch)

    closure = isinstance(stage.optimizer, torch.optim.LBFGS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a scheduler's warnings are meant for the user's own loop
        stage.optimizer.step(again) if closure else stage.optimizer.step()


def _targets(record: Record, targets: Any) -> None:
    """Facts about targets that the loss's graph does not hold."""
    found = [one for one in tensors(targets) if one.dim()]
    if len(found) != 1:
        return
    target = found[0]
    record.loss.targets, record.loss.target_shape = values_of(target), tuple(target.shape)
    if not target.is_floating_point() and target.numel():
        labels, counts = target.unique(return_counts=True)
        if len(labels) <= _CLASSES:
            record.loss.classes = {int(label): int(count) for label, count in zip(labels, counts, strict=True)}
