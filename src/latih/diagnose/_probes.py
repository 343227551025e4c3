"""Short experiments on a copy of the model, as many as the budget of a check allows."""

from __future__ import annotations

import math
import time
from typing import Any

from torch import Tensor

from latih._checks import InputError
from latih.tape import recording
from latih.watch import Probes, association_of

from ._check_batch import Batch
from ._check_copy import Stage
from ._probe_clock import EXAMPLES, FEW_EXAMPLES, FEWEST, Clock
from ._probe_data import drawn
from ._probe_fit import fit, fit_safely
from ._probe_modes import eval_gap
from ._probe_order import order_p

_PASSES = 1.5
"""Passes for each step of `fit_safely`, at most."""


def probe_model(stage: Stage, batch: Batch, start_loss: float, probes: Probes, notes: list[str]) -> None:
    """Fit a small batch with the user's optimizer, a safe one and blindly; compare the modes."""
    clock, small = Clock(), batch.first(EXAMPLES)
    probes.start_loss = start_loss if math.isfinite(start_loss) else None
    if not stage.parameters:
        notes.append("no parameter may learn: nothing was fitted")
        return
    if probes.start_loss is None:
        notes.append("the loss is not finite: nothing was fitted")
        return
    with recording():
        _experiments(stage, small, clock, probes, notes)


def _experiments(stage: Stage, small: Batch, clock: Clock, probes: Probes, notes: list[str]) -> None:
    for count in (EXAMPLES, FEW_EXAMPLES):
        small = small.first(count)
        seconds = _seconds(stage, small)
        steps = clock.steps(seconds, 2 * math.ceil(_PASSES) + 1)
        if steps:
            break
    else:
        size = small.size or "all"
        notes.append(f"a pass over {size} examples takes {seconds:.2g} s: too long to fit them in {FEWEST} steps")
        return
    probes.eval_gap = _tried("evaluation mode", notes, lambda: eval_gap(stage, small))
    if stage.optimizer is not None:
        probes.fit = _tried("the optimizer", notes, lambda: fit(stage, small, steps))
    probes.fit_safe = _tried("fitting one batch", notes, lambda: fit_safely(stage, small, steps))
    if small.size is not None:
        probes.blind = _tried("fitting blindly", notes, lambda: fit_safely(stage, small.blind(), steps))


def probe_data(train: Any, probes: Probes, notes: list[str]) -> tuple[int | None, Tensor | None]:
    """Order and association of the training data; returns the number of examples and some targets, where known."""
    try:
        found = drawn(train)
    except InputError:
        raise
    except Exception as error:  # reading is the user's own code
        notes.append(f"the training data could not be read: {_line(error)}")
        return None, None
    if found is None:
        notes.append("the training data can be read only once: they were not looked at")
        return None, None
    if found.order is not None:
        order = found.order.cpu()
        probes.order = _tried("the order of the targets", notes, lambda: order_p(order))
    if found.inputs is not None:
        inputs, targets = found.inputs.detach().cpu(), found.targets.detach().cpu()
        tried = _tried("inputs and targets", notes, lambda: association_of(inputs, targets))
        probes.association, probes.association_size = tried or (None, 0)
    return found.examples, found.targets.detach().cpu()


def _tried(what: str, notes: list[str], probe: Any) -> Any:
    try:
        return probe()
    except Exception as error:  # an experiment that fails says nothing about the model
        notes.append(f"{what} could not be tried: {_line(error)}")
        return None


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _seconds(stage: Stage, batch: Batch) -> float:
    started = time.thread_time()
    with stage.experiment():
        stage.differentiate(batch)
    return time.thread_time() - started
