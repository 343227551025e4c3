"""A metric over what all processes have seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torchmetrics import Metric

from ._processes import World


@contextmanager
def summed(metric: Metric, world: World) -> Iterator[None]:
    """Inside the block the metric's sums are those of all processes; afterwards they are this one's again."""
    if world.size == 1:
        yield
        return
    own, updates = dict(metric.metric_state), metric._update_count
    device = metric.device
    try:
        for name, value in own.items():
            assert isinstance(value, torch.Tensor)
            setattr(metric, name, world.sum(value))
        metric._update_count = int(world.sum(torch.tensor([updates], device=device)).item())
        metric._computed = None
        yield
    finally:
        for name, value in own.items():
            setattr(metric, name, value)
        metric._update_count, metric._computed = updates, None
