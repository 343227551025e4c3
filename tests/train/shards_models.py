"""Models to divide, and what measures how they are."""

import numpy as np
import torch
from torch import nn
from trainings import data, net

from latih.train import Callback


class Tied(nn.Module):
    """Two layers with one weight, one of them called by hand, and repeated blocks."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.last.weight = self.first.weight
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6)) for _ in range(2))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for block in self.blocks:
            x = x + block(x)
        return nn.functional.linear(self.last(x), self.head.weight, self.head.bias)


class Words(nn.Module):
    """A transformer as it is usually written."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Linear(1, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embedding(x.unsqueeze(-1))  # a view, which is written to
        x += 0.1
        return self.head(self.encoder(x).mean(1))


class Flat(nn.Module):
    """(n, 6, 3) to (n, 18)."""

    def forward(self, x):
        return x.flatten(1)


class Scaled(nn.Module):
    """A scale without dimensions."""

    def __init__(self):
        super().__init__()
        self.net, self.scale = net(), nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.net(x) * self.scale


def codes():
    x, y = data()
    return (x > 0).astype(np.int64), y


class Measure(Callback):
    """How much of weights, gradients and optimizer state lies in this process."""

    def __init__(self):
        self.held = {}

    def on_gradients(self, trainer):
        weights = list(trainer.step.model.parameters())
        state = [one for known in trainer.step.optimizer.state.values() for one in known.values()]
        state = [one for one in state if isinstance(one, torch.Tensor) and one.dim()]
        kinds = {"weights": weights, "gradients": [one.grad for one in weights], "state": state}
        self.held = {
            kind: [sum(one.to_local().numel() for one in held), sum(one.numel() for one in held)]
            for kind, held in kinds.items()
        }
