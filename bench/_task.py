"""What every side trains: the same network, batch and optimizer settings."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

BATCH = 32
LR = 0.01
MOMENTUM = 0.9
SIZES = (784, 300, 100, 10)


def mlp() -> nn.Sequential:
    """A freshly drawn 784-300-100-10 ReLU network with He's initialisation."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(SIZES):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
