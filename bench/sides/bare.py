"""The loop that everyone writes first: tensors in memory, a permutation, torch's own SGD."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from torch import Tensor


def prepare(x: Tensor, y: Tensor) -> Contender:
    return loop(x, y)


def loop(x: Tensor, y: Tensor, **options: Any) -> Contender:
    """The bare loop with `options` for torch's SGD."""

    def train(steps: int) -> float:
        model, watch = mlp(), Stopwatch()
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True, **options)
        perm = torch.randperm(steps * BATCH)
        for start in range(0, len(perm), BATCH):
            index = perm[start : start + BATCH]
            loss = F.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.mark()
        return watch.seconds_per_step(steps)

    return train
