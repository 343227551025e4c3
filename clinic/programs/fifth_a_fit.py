"""Columns and targets as they come, and nets that are held too tightly or too loosely; fifth series, part a."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import fashion, friedman
from .._scores import accuracy, binary_accuracy, r2
from .fifth_a_parts import Block, cars, cars_scaled, cells, churn, figures, figures_raw, places, wages
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


@faulty(
    "unscaled-inputs",
    also=("not-learning", "underfitting", "diverged", "exploding-gradient", "loss-at-start", "dead-units"),
    tags=("mlp", "regression"),
    tier="real",
)
def cars_columns_as_they_are(seed: int, fixed: bool) -> Setup:
    """Kilometres up to a million stand beside an age in years, and no scaler was fitted."""
    torch.manual_seed(seed)
    data = (cars().standardised() if fixed else cars()).standardised_targets()
    model = dense([5, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=25)


@faulty(
    "unscaled-inputs",
    also=("not-learning", "underfitting", "diverged", "exploding-gradient", "loss-at-start", "saturated-units"),
    tags=("mlp", "binary"),
    tier="real",
)
def churn_columns_as_they_are(seed: int, fixed: bool) -> Setup:
    """Sums of bills up to 8,000 beside contracts of 0 to 2 go into a net of tanh as the file has them."""
    torch.manual_seed(seed)
    data = churn().standardised() if fixed else churn()
    model = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))
    return Setup(model, nn.BCEWithLogitsLoss(), adam(5e-3), *data.parts, binary_accuracy, batch_size=64, epochs=30)


@faulty(
    "unscaled-inputs",
    also=("diverged", "exploding-gradient", "dead-units", "not-learning", "loss-at-start", "learning-rate-too-high"),
    tags=("cnn", "classification"),
    tier="real",
)
def figures_pixels_up_to_255(seed: int, fixed: bool) -> Setup:
    """Pictures are turned into floats without a division by 255, before a CNN under SGD."""
    torch.manual_seed(seed)
    data = figures_raw().on_inputs(lambda x: x / 255 - 0.5) if fixed else figures_raw()
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 4),
    )
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02, 0.9), *data.parts, accuracy, batch_size=32, epochs=18)


@faulty(
    "unscaled-targets",
    also=("not-learning", "underfitting", "learning-rate-too-low", "loss-at-start", "exploding-gradient"),
    tags=("mlp", "regression"),
    tier="real",
)
def cars_price_in_euros(seed: int, fixed: bool) -> Setup:
    """Prices of thousands of euros are asked of a net whose outputs begin about 0; Adam creeps towards them."""
    torch.manual_seed(seed)
    data = cars_scaled() if fixed else cars().standardised()
    model = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Dropout(0.05), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "unscaled-targets",
    also=("diverged", "exploding-gradient", "loss-at-start", "learning-rate-too-high", "dead-units", "not-learning"),
    tags=("mlp", "regression"),
    tier="real",
)
def wages_dollars_by_sgd(seed: int, fixed: bool) -> Setup:
    """Yearly wages in dollars under squared error and SGD: the first updates are enormous."""
    torch.manual_seed(seed)
    data = wages().standardised()
    data = data.standardised_targets() if fixed else data
    model = dense([6, 100, 50, 1], nn.LeakyReLU)
    return Setup(model, nn.MSELoss(), sgd(0.01, 0.9), *data.parts, r2, batch_size=64, epochs=30)


@faulty(
    "unscaled-targets",
    also=("not-learning", "underfitting", "learning-rate-too-low", "loss-at-start", "exploding-gradient"),
    tags=("cnn", "regression"),
    tier="real",
)
def places_in_pixels_of_the_photograph(seed: int, fixed: bool) -> Setup:
    """The middle of a figure is asked for in pixels of the large photograph, 400 to 1,200, by `SmoothL1Loss`."""
    torch.manual_seed(seed)
    data = places().standardised_targets() if fixed else places()
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.ReLU(),
        nn.Linear(64, 2),
    )
    return Setup(model, nn.SmoothL1Loss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=14)


@faulty(
    "over-regularised",
    also=("underfitting", "not-learning"),
    tags=("cnn", "classification", "real-data"),
    tier="real",
)
def clothes_adam_decay_of_a_fifth(seed: int, fixed: bool) -> Setup:
    """`Adam(weight_decay=0.2)`, where decay is added to the gradient: it outweighs what the pictures say."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 4, stride=2),
        nn.ELU(),
        nn.Conv2d(12, 24, 3, stride=2),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(24 * 36, 48),
        nn.ELU(),
        nn.Linear(48, 10),
    )
    optimizer = adam(1e-3, weight_decay=1e-4 if fixed else 0.2)
    parts = fashion(1500).parts
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "over-regularised",
    also=("underfitting", "not-learning"),
    tags=("mlp", "dropout", "classification"),
    tier="real",
)
def cells_dropout_of_eight_tenths(seed: int, fixed: bool) -> Setup:
    """`nn.Dropout(0.8)` after each of three small layers, in the belief that 0.8 is the share that stays."""
    torch.manual_seed(seed)
    rate, layers = 0.2 if fixed else 0.8, []
    for before, after in ((20, 64), (64, 64), (64, 32)):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(rate)]
    model = nn.Sequential(*layers, nn.Linear(32, 6))
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-3), *cells().parts, accuracy, batch_size=32, epochs=25)


@faulty(
    "over-regularised",
    also=("underfitting", "not-learning"),
    tags=("mlp", "regression"),
    tier="real",
)
def wages_penalty_written_by_hand(seed: int, fixed: bool) -> Setup:
    """A penalty of 0.1 times the sum of all squared weights is added to the loss by hand."""
    torch.manual_seed(seed)
    data = wages().standardised().standardised_targets()
    strength = 1e-5 if fixed else 0.1

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        penalty = torch.stack([p.square().sum() for p in model.parameters()]).sum()
        loss = F.mse_loss(model(x), y) + strength * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    model = dense([6, 64, 64, 1], nn.SiLU)
    return Setup(model, nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=20, update=update)


@faulty(
    "overfitting",
    tags=("mlp", "regression"),
    tier="real",
)
def friedman_eighty_rows_by_a_large_net(seed: int, fixed: bool) -> Setup:
    """Eighty noisy rows for a net of a hundred thousand weights and 140 epochs; the other rows were not collected."""
    torch.manual_seed(seed)
    data = friedman(1500, 1.5).standardised().on_targets(lambda y: y.unsqueeze(1)).standardised_targets()
    data = data if fixed else data.first(80)
    model = dense([10, 256, 256, 128, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=16, epochs=10 if fixed else 140)


@faulty(
    "overfitting",
    tags=("cnn", "residual", "norm", "classification"),
    tier="real",
)
def figures_resnet_on_two_hundred_pictures(seed: int, fixed: bool) -> Setup:
    """A residual net learns two hundred pictures by heart; the fix labels all of them."""
    torch.manual_seed(seed)
    data = figures() if fixed else figures().first(200)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Block(16, 16),
        Block(16, 32, 2),
        nn.Flatten(),
        nn.Linear(512, 4),
    )
    return Setup(
        model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=20, epochs=12 if fixed else 60
    )


@faulty(
    "underfitting",
    also=("missing-nonlinearity",),
    tags=("linear", "classification"),
    tier="real",
)
def figures_by_softmax_regression(seed: int, fixed: bool) -> Setup:
    """One linear layer from pixels to four figures that may lie anywhere; the fix puts convolutions before it."""
    torch.manual_seed(seed)
    body = [nn.Conv2d(3, 12, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU()]
    model = nn.Sequential(*(body if fixed else []), nn.Flatten(), nn.Linear(24 * 16 if fixed else 768, 4))
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *figures().parts, accuracy, batch_size=32, epochs=20)
