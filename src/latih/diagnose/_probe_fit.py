"""Can the network fit one small batch: by the user's optimizer, by a safe one, and without seeing its inputs?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ._check_batch import Batch
from ._check_copy import Stage
from ._check_sample import advance

Losses = list[float | None]
_START = 1e-3
_GROW, _CUT = 1.4, 5.0
_RISE = 1e-3
"""Relative rise of the loss that a safe step may make."""
_TRIES = 1.5
"""Passes for each safe step that is wanted."""


def fit(stage: Stage, batch: Batch, steps: int) -> Losses:
    """Losses of the user's own optimizer on the same batch, `steps` times; None from where they are not finite."""
    assert stage.optimizer is not None
    losses: Losses = []
    with stage.experiment():
        same = _Numbers(stage)
        for _ in range(steps):
            with same.drawn():
                value = float(stage.differentiate(batch))
                losses.append(value if math.isfinite(value) else None)
                if losses[-1] is None:
                    break
                advance(stage, batch)
    return losses


def fit_safely(stage: Stage, batch: Batch, steps: int) -> Losses:
    """Losses of Adam whose rate grows as long as the loss falls and is cut where it rises, which is then taken back."""
    with stage.experiment():
        same, weights = _Numbers(stage), stage.parameters
        if not weights:
            return []
        with same.drawn():
            losses: Losses = [float(stage.differentiate(batch))]
        rate = _START
        adam = torch.optim.Adam(weights, lr=rate)
        for _ in range(int(steps * _TRIES)):
            last = losses[-1]
            if last is None or not math.isfinite(last) or len(losses) > steps:
                break
            before = [(one, one.detach().clone(), one.grad) for one in weights]
            adam.step()
            with same.drawn():
                value = float(stage.differentiate(batch))
            if math.isfinite(value) and value <= last + _RISE * abs(last):
                losses.append(value)
                rate *= _GROW
                adam.param_groups[0]["lr"] = rate
                continue
            with torch.no_grad():
                for one, was, grad in before:
                    one.copy_(was)
                    one.grad = grad
            rate /= _CUT
            adam = torch.optim.Adam(weights, lr=rate)
    return [one if one is not None and math.isfinite(one) else None for one in losses]


class _Numbers:
    """The same random numbers for every pass: then the loss is a function of the weights, dropout and all."""

    def __init__(self, stage: Stage) -> None:
        self._devices = [one for one in stage.devices if one.type not in ("cpu", "meta")]
        self._states: list[tuple[Any, Tensor]] = [(torch, torch.get_rng_state())]
        for device in self._devices:
            module = torch.get_device_module(device)
            self._states.append((module, module.get_rng_state()))

    @contextmanager
    def drawn(self) -> Iterator[None]:
        for module, state in self._states:
            module.set_rng_state(state)
        yield
