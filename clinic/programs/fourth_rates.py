"""Rates, optimizers and losses that run away; fourth series."""

from __future__ import annotations

from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    Split,
    checkers,
    clicks,
    concrete,
    cut,
    digits,
    fashion,
    friedman,
    houses,
    patches,
    pendulum,
    waveforms,
    weather,
)
from .._scores import accuracy, binary_accuracy, probability_accuracy, r2
from .fourth_signals import adam, dense, sgd, weights

faulty = partial(base.faulty, half="parted")


@cache
def visits(count: int = 1600) -> Split:
    """Made-up counts: five standardised columns (n, 5) and how many visitors came (n, 1), some 5 to 100."""
    g = torch.Generator().manual_seed(402)
    x = torch.randn(count, 5, generator=g)
    rate = torch.exp(3 + 0.5 * x[:, 0] - 0.4 * x[:, 1].tanh() + 0.3 * x[:, 2] * (x[:, 3] > 0))
    return cut(x, torch.poisson(rate, generator=g).unsqueeze(1))


@faulty(
    "diverged",
    also=("loss-output-mismatch", "wrong-loss", "saturated-units", "exploding-gradient"),
    tags=("mlp", "binary", "real-data"),
    tier="real",
)
def digits_even_or_odd_by_hand(seed: int, fixed: bool) -> Setup:
    """Cross-entropy written out with `torch.log` of sigmoids: once one of them is exactly 1, the loss is NaN."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.flatten(1)).on_targets(lambda y: (y % 2).float().unsqueeze(1))

    def loss(p: Tensor, y: Tensor) -> Tensor:
        if fixed:
            return F.binary_cross_entropy(p, y)
        return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid())
    return Setup(model, loss, adam(3e-3), *data.parts, probability_accuracy, batch_size=32, epochs=15)


@faulty("diverged", also=("loss-output-mismatch", "wrong-loss"), tags=("mlp", "regression", "counts"), tier="real")
def visits_poisson_of_negative_counts(seed: int, fixed: bool) -> Setup:
    """`PoissonNLLLoss(log_input=False)` on a linear output: the logarithm of a negative count is NaN."""
    torch.manual_seed(seed)
    data = visits()
    model = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    weights(model, nn.init.xavier_uniform_)
    if fixed:
        model.append(nn.Softplus())
    loss = nn.PoissonNLLLoss(log_input=False)
    return Setup(model, loss, adam(1e-2), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "diverged",
    also=("learning-rate-too-high", "exploding-gradient", "dead-units"),
    tags=("mlp", "regression"),
    tier="real",
)
def houses_sgd_to_infinity(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum on squared errors: after some updates the loss is infinite, then NaN."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = dense([6, 64, 64, 1], nn.LeakyReLU)
    return Setup(model, nn.MSELoss(), sgd(0.01 if fixed else 0.5, 0.9), *data.parts, r2, batch_size=32, epochs=12)


@faulty(
    "learning-rate-too-high",
    also=("not-learning", "dead-units", "oscillating-loss", "diverged"),
    tags=("cnn", "real-data"),
    tier="real",
)
def patches_adam_at_a_tenth(seed: int, fixed: bool) -> Setup:
    """Adam with `lr=0.1`, a rate for SGD."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 16, 32),
        nn.ReLU(),
        nn.Linear(32, 2),
    )
    optimizer = adam(1e-3 if fixed else 0.1)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *patches().parts, accuracy, batch_size=32, epochs=8)


@faulty(
    "learning-rate-too-high",
    also=("diverged", "oscillating-loss", "dead-units", "not-learning"),
    tags=("mlp", "real-data"),
    tier="real",
)
def clothes_sgd_momentum_at_one(seed: int, fixed: bool) -> Setup:
    """`SGD(lr=1.0, momentum=0.9)` for a dense net on pictures."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = sgd(0.01 if fixed else 1.0, 0.9)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *fashion().parts, accuracy, batch_size=64, epochs=8)


@faulty("learning-rate-too-high", also=("oscillating-loss", "diverged"), tags=("mlp", "regression"), tier="real")
def concrete_adam_at_a_fifth(seed: int, fixed: bool) -> Setup:
    """Adam at 0.2, to have it done quickly: the net jumps about and ends far from where it could."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    model = dense([4, 64, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(3e-3 if fixed else 0.2), *data.parts, r2, batch_size=32, epochs=15)


@faulty("learning-rate-too-low", also=("underfitting", "not-learning"), tags=("cnn", "real-data"), tier="real")
def digits_sgd_at_a_ten_thousandth(seed: int, fixed: bool) -> Setup:
    """SGD at 0.0001 without momentum, Adam's usual rate or less: eight epochs hardly move the net."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    optimizer = sgd(0.03 if fixed else 1e-4)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *digits().parts, accuracy, batch_size=16, epochs=8)


@faulty("learning-rate-too-low", also=("underfitting", "not-learning"), tags=("mlp", "regression"), tier="real")
def weather_adam_at_a_hundred_thousandth(seed: int, fixed: bool) -> Setup:
    """Adam at 1e-5, a rate for fine-tuning, for a net from scratch."""
    torch.manual_seed(seed)
    data = weather().standardised().standardised_targets()
    model = dense([4, 64, 64, 1], nn.GELU)
    return Setup(model, nn.MSELoss(), adam(3e-3 if fixed else 1e-5), *data.parts, r2, batch_size=32, epochs=15)


@faulty("learning-rate-too-low", also=("underfitting",), tags=("mlp", "real-data"), tier="real")
def clothes_exponential_decay_every_batch(seed: int, fixed: bool) -> Setup:
    """`ExponentialLR(gamma=0.9)` is meant for epochs and stepped after every batch: the rate is gone in one epoch."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        gamma = 0.9 ** (8 / updates) if fixed else 0.9
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    return Setup(
        model, nn.CrossEntropyLoss(), adam(1e-3), *fashion().parts, accuracy, batch_size=32, epochs=8, schedule=schedule
    )


@faulty("oscillating-loss", also=("learning-rate-too-high", "diverged"), tags=("mlp", "regression"), tier="real")
def friedman_batches_of_two(seed: int, fixed: bool) -> Setup:
    """Two rows a batch at a rate for thirty-two: every pair pulls the net its own way."""
    torch.manual_seed(seed)
    data = friedman(800).standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    size, model = 32 if fixed else 2, dense([10, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), sgd(0.015, 0.9), *data.parts, r2, batch_size=size, epochs=10)


@faulty(
    "oscillating-loss",
    also=("learning-rate-too-high", "unsuited-optimizer", "diverged"),
    tags=("mlp", "classification"),
    tier="real",
)
def signals_momentum_of_099(seed: int, fixed: bool) -> Setup:
    """Momentum of 0.99 was added without a lower rate: the loss swings up and down and does not settle."""
    torch.manual_seed(seed)
    model = dense([32, 64, 64, 5], nn.ReLU)
    optimizer = sgd(0.05, 0.9 if fixed else 0.99)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *waveforms().parts, accuracy, batch_size=64, epochs=14)


@faulty("oscillating-loss", also=("learning-rate-too-high",), tags=("mlp", "regression"), tier="real")
def pendulum_adam_without_decay(seed: int, fixed: bool) -> Setup:
    """Adam at 0.04 to the last update: errors go down and up again from epoch to epoch."""
    torch.manual_seed(seed)
    data = pendulum().standardised().standardised_targets()

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    model = dense([2, 64, 64, 64, 2], nn.ReLU)
    return Setup(
        model,
        nn.MSELoss(),
        adam(0.04),
        *data.parts,
        r2,
        batch_size=8,
        epochs=8,
        schedule=schedule if fixed else None,
    )


@faulty(
    "learning-rate-too-low",
    also=("unsuited-optimizer", "underfitting", "not-learning"),
    tags=("cnn", "real-data"),
    tier="real",
)
def clothes_adagrad_at_adams_rate(seed: int, fixed: bool) -> Setup:
    """Adagrad at 0.001, a rate for Adam: its steps shrink from a rate that is small already."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(model.parameters(), lr=0.01 if fixed else 1e-3)

    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 36, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *fashion().parts, accuracy, batch_size=32, epochs=8)


@faulty(
    "unsuited-optimizer",
    also=("learning-rate-too-low", "not-learning", "underfitting"),
    tags=("mlp", "classification"),
    tier="real",
)
def checkers_plain_sgd(seed: int, fixed: bool) -> Setup:
    """Plain SGD at 0.01 without momentum on a board of fields, where Adam finds the borders in no time."""
    torch.manual_seed(seed)
    model = dense([2, 64, 64, 64, 2], nn.ReLU)
    optimizer = adam(5e-3) if fixed else sgd(0.01)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *checkers().parts, accuracy, batch_size=32, epochs=25)


class _Factors(nn.Module):
    """A vector for each person and each advertisement, and a small net on both."""

    def __init__(self) -> None:
        super().__init__()
        self.person, self.ad = nn.Embedding(120, 8), nn.Embedding(60, 8)
        self.net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.cat([self.person(x[:, 0]), self.ad(x[:, 1])], 1)).squeeze(1)


@faulty(
    "unsuited-optimizer",
    also=("learning-rate-too-low", "underfitting", "not-learning"),
    tags=("embedding", "recommender"),
    tier="real",
)
def clicks_embeddings_by_sgd(seed: int, fixed: bool) -> Setup:
    """Plain SGD for embeddings: a person is in every second batch only, and moves by next to nothing."""
    torch.manual_seed(seed)
    data = clicks().on_targets(lambda y: y.float())
    optimizer = adam(1e-2) if fixed else sgd(0.01)
    return Setup(_Factors(), nn.BCEWithLogitsLoss(), optimizer, *data.parts, binary_accuracy, batch_size=64, epochs=12)
