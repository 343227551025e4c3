"""Ordinary nets on tables, signals and values that learn well; fourth series."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import circuit, colours, concrete, digits, friedman, houses, loans, moons, pendulum, weather
from .._scores import accuracy, r2
from .fourth_signals import adam, dense, sgd, weights
from .fourth_signals_2 import salaries
from .fourth_signals_3 import lecun

healthy = partial(base.healthy, half="parted")


@healthy(tags=("mlp", "norm", "dropout", "binary"))
def loans_normed_with_dropout(seed: int) -> Setup:
    """Standardised columns, batch norm and dropout, Adam with some weight decay."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise([6, 64, 32]):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.1)]
    model, parts = nn.Sequential(*layers, nn.Linear(32, 2)), loans().standardised().parts
    optimizer = adam(3e-3, weight_decay=1e-4)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *parts, accuracy, batch_size=32, epochs=15)


@healthy(tags=("mlp", "binary"))
def moons_two_layers_of_tanh(seed: int) -> Setup:
    """Two half circles, two layers of tanh, SGD with momentum."""
    torch.manual_seed(seed)
    model = dense([2, 24, 24, 2], nn.Tanh)
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.1, 0.9), *moons().parts, accuracy, batch_size=32, epochs=20)


@healthy(tags=("mlp", "selu", "regression"))
def houses_ten_layers_of_selu(seed: int) -> Setup:
    """Ten SELU layers as their paper builds them: LeCun's rule, standardised inputs, a plain stack."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = weights(dense([6, *[40] * 10, 1], nn.SELU), lecun)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=15)


@healthy(tags=("mlp", "selu", "regression"))
def concrete_selu_with_alpha_dropout(seed: int) -> Setup:
    """Four SELU layers with a little alpha dropout, under NAdam."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise([4, 64, 64, 64, 64]):
        layers += [nn.Linear(a, b), nn.SELU(), nn.AlphaDropout(0.01)]
    model = weights(nn.Sequential(*layers, nn.Linear(64, 1)), lecun)
    nadam = lambda model: torch.optim.NAdam(model.parameters(), lr=1e-3)  # noqa: E731
    data = concrete().standardised().standardised_targets()
    return Setup(model, nn.MSELoss(), nadam, *data.parts, r2, batch_size=32, epochs=15)


@healthy(tags=("mlp", "regression"))
def salaries_standardised(seed: int) -> Setup:
    """Columns and salaries standardised, two hidden layers, Adamax."""
    torch.manual_seed(seed)
    data = salaries().standardised().standardised_targets()
    adamax = lambda model: torch.optim.Adamax(model.parameters(), lr=5e-3)  # noqa: E731
    return Setup(dense([4, 48, 48, 1], nn.ReLU), nn.MSELoss(), adamax, *data.parts, r2, batch_size=32, epochs=20)


@healthy(tags=("mlp", "regression"))
def friedman_gelu_on_a_cosine(seed: int) -> Setup:
    """GELU, AdamW and a cosine down to nothing."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    adamw = lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)  # noqa: E731

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    model = dense([10, 64, 64, 1], nn.GELU)
    return Setup(model, nn.MSELoss(), adamw, *data.parts, r2, batch_size=32, epochs=20, schedule=schedule)


@healthy(tags=("mlp", "regression"))
def houses_huber_loss_by_steps(seed: int) -> Setup:
    """Huber's loss, SGD with momentum, the rate a tenth of itself for the last third."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [2 * updates // 3], gamma=0.1)

    model, optimizer = dense([6, 64, 64, 1], nn.ReLU), sgd(0.02, 0.9)
    return Setup(model, nn.HuberLoss(), optimizer, *data.parts, r2, batch_size=32, epochs=15, schedule=schedule)


@healthy(tags=("mlp", "norm", "regression"))
def weather_layer_norm_with_warm_up(seed: int) -> Setup:
    """Layer norm and SiLU, Adam with a linear warm-up over a tenth of the run."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise([4, 64, 64, 64]):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.SiLU()]

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (updates / 10)))

    model, data = nn.Sequential(*layers, nn.Linear(64, 1)), weather().standardised().standardised_targets()
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=14, schedule=schedule)


class _Skip(nn.Module):
    """A dense residual block, normed first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@healthy(tags=("mlp", "residual", "norm", "regression"))
def pendulum_dense_residual_blocks(seed: int) -> Setup:
    """Four dense residual blocks between two linear layers, RAdam."""
    torch.manual_seed(seed)
    data = pendulum().standardised().standardised_targets()
    model = nn.Sequential(nn.Linear(2, 48), *[_Skip(48) for _ in range(4)], nn.LayerNorm(48), nn.Linear(48, 2))
    radam = lambda model: torch.optim.RAdam(model.parameters(), lr=3e-3)  # noqa: E731
    return Setup(model, nn.MSELoss(), radam, *data.parts, r2, batch_size=32, epochs=14)


@healthy(tags=("mlp", "norm", "regression"))
def circuit_normed_by_adam(seed: int) -> Setup:
    """Standardised columns, batch norm behind each hidden layer, Adam with a cosine."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise([4, 64, 64]):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    model, data = nn.Sequential(*layers, nn.Linear(64, 1)), circuit().standardised().standardised_targets()
    return Setup(model, nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=64, epochs=20, schedule=schedule)


@healthy(tags=("mlp", "adagrad", "real-data"))
def digits_by_adagrad(seed: int) -> Setup:
    """A dense net with leaky ReLU under Adagrad at 0.03."""
    torch.manual_seed(seed)
    adagrad = lambda model: torch.optim.Adagrad(model.parameters(), lr=0.03)  # noqa: E731
    model, parts = nn.Sequential(nn.Flatten(), dense([64, 96, 48, 10], nn.LeakyReLU)), digits().parts
    return Setup(model, nn.CrossEntropyLoss(), adagrad, *parts, accuracy, batch_size=32, epochs=12)


@healthy(tags=("mlp", "classification"))
def colours_wide_net_clipped(seed: int) -> Setup:
    """A wide dense net with ELU, SGD with momentum and gradients clipped at 1."""
    torch.manual_seed(seed)
    model, parts = dense([3, 256, 128, 7], nn.ELU), colours().on_inputs(lambda x: x / 127.5 - 1).parts
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.05, 0.9), *parts, accuracy, batch_size=64, epochs=15, clip=1.0)
