"""The loop of torch's own tutorials: a DataLoader over a TensorDataset."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


def prepare(x: Tensor, y: Tensor) -> Contender:
    def train(steps: int) -> float:
        model, watch = mlp(), Stopwatch()
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True)
        dataset = TensorDataset(x[: steps * BATCH], y[: steps * BATCH])
        for inputs, targets in DataLoader(dataset, batch_size=BATCH, shuffle=True):
            loss = F.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.mark()
        return watch.seconds_per_step(steps)

    return train
