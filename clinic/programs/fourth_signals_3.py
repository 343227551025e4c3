"""Norm layers and nets that norm themselves, with a fault; fourth series."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits, fashion, friedman, hires, houses, weather
from .._scores import accuracy, r2
from .fourth_signals import adam, dense, sgd, weights

faulty = partial(base.faulty, half="parted")


@faulty("norm-batch-too-small", also=("oscillating-loss",), tags=("cnn", "real-data"), tier="real")
def clothes_batch_norm_batches_of_two(seed: int, fixed: bool) -> Setup:
    """Memory allowed two pictures a batch, and batch norm behind the dense layer takes its statistics from two."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 49, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    size, data = 32 if fixed else 2, fashion(640)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=size, epochs=4)


@faulty("norm-batch-too-small", also=("oscillating-loss", "underfitting"), tags=("mlp", "regression"), tier="real")
def houses_batch_norm_batches_of_two(seed: int, fixed: bool) -> Setup:
    """Batch norm over two houses says only which of the two has more of a thing."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = nn.Sequential(
        nn.Linear(6, 48, bias=False),
        nn.BatchNorm1d(48),
        nn.ReLU(),
        nn.Linear(48, 48, bias=False),
        nn.BatchNorm1d(48),
        nn.ReLU(),
        nn.Linear(48, 1),
    )
    size = 32 if fixed else 2
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.first(640).parts, r2, batch_size=size, epochs=8)


@faulty(
    "norm-wrong-mode",
    also=("unscaled-inputs", "not-learning", "loss-at-start"),
    tags=("mlp", "regression"),
    tier="real",
)
def weather_left_in_eval_mode(seed: int, fixed: bool) -> Setup:
    """`model.eval()` for a first look at the error, and `model.train()` never again: norms pass all unchanged."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.BatchNorm1d(4),
        nn.Linear(4, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 1),
    )
    criterion, data = nn.MSELoss(), weather().standardised_targets().first(1120)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        model.train(fixed)
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(model, criterion, adam(3e-3), *data.parts, r2, batch_size=32, epochs=15, update=update)


class _Normed(nn.Module):
    """Ten layers whose norms are called as functions."""

    def __init__(self, told: bool) -> None:
        super().__init__()
        sizes = [64, *[48] * 10]
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(48) for _ in self.layers)
        self.out = nn.Linear(48, 10)
        self.told = told

    def forward(self, x: Tensor) -> Tensor:
        for layer, bn in zip(self.layers, self.norms, strict=True):
            mode = {"training": self.training} if self.told else {}
            x = F.relu(F.batch_norm(layer(x), bn.running_mean, bn.running_var, bn.weight, bn.bias, **mode))
        return self.out(x)


@faulty(
    "norm-wrong-mode",
    also=("vanishing-gradient", "bad-initialisation", "not-learning"),
    tags=("mlp", "real-data"),
    tier="real",
)
def digits_batch_norm_told_nothing(seed: int, fixed: bool) -> Setup:
    """`F.batch_norm` without `training=self.training` uses running statistics, which stay 0 and 1 for ever."""
    torch.manual_seed(seed)
    model, parts = _Normed(fixed), digits().columns().first(1344).parts
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02, 0.9), *parts, accuracy, batch_size=32, epochs=12)


@faulty("bias-before-norm", tags=("cnn", "real-data"), tier="real")
def digits_convolutions_with_bias_before_norm(seed: int, fixed: bool) -> Setup:
    """Convolutions keep their biases before batch norm, which takes them off again; 48 parameters are for nothing."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=not fixed),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=not fixed),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    return Setup(
        model, nn.CrossEntropyLoss(), adam(3e-3), *digits().first(1344).parts, accuracy, batch_size=32, epochs=7
    )


@faulty("bias-before-norm", tags=("mlp", "regression"), tier="real")
def hires_linear_with_bias_before_norm(seed: int, fixed: bool) -> Setup:
    """Every hidden layer has a bias that the batch norm behind it removes; 192 parameters never get a gradient."""
    torch.manual_seed(seed)
    data = hires().standardised().standardised_targets()
    layers: list[nn.Module] = []
    for a, b in ((4, 64), (64, 64), (64, 64)):
        layers += [nn.Linear(a, b, bias=not fixed), nn.BatchNorm1d(b), nn.ReLU()]
    model = nn.Sequential(*layers, dense([64, 1], nn.ReLU))
    return Setup(model, nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=64, epochs=15)


def lecun(weight: Tensor) -> Tensor:
    """LeCun's rule, as SELU asks for it."""
    return nn.init.kaiming_normal_(weight, nonlinearity="linear")


@faulty(
    "selu-preconditions",
    also=("unscaled-inputs", "exploding-gradient", "diverged", "loss-at-start"),
    tags=("mlp", "regression", "selu"),
    tier="real",
)
def weather_selu_on_raw_columns(seed: int, fixed: bool) -> Setup:
    """Eight SELU layers after LeCun's rule, but Kelvin and hectopascal come as they are."""
    torch.manual_seed(seed)
    data = weather().standardised_targets()
    data = data.standardised() if fixed else data
    model = weights(dense([4, *[40] * 8, 1], nn.SELU), lecun)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty(
    "selu-preconditions",
    also=("vanishing-gradient", "bad-initialisation", "not-learning"),
    tags=("mlp", "regression", "selu"),
    tier="real",
)
def friedman_selu_by_default(seed: int, fixed: bool) -> Setup:
    """Twenty-four SELU layers, trusted to norm themselves, with the initialisation that `nn.Linear` brings."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = dense([10, *[32] * 24, 1], nn.SELU)
    if fixed:
        weights(model, lecun)
    return Setup(model, nn.MSELoss(), sgd(0.002, 0.9), *data.parts, r2, batch_size=32, epochs=14)
