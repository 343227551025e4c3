"""Scales of data and heads at fault; fourth series."""

from __future__ import annotations

from functools import cache, partial

import torch
from sklearn import datasets
from torch import nn

from .. import _base as base
from .._base import Setup
from .._data import Split, concrete, cut, fashion, fashion_raw, loans, table
from .._scores import accuracy, r2
from .fourth_signals import adam, sgd

faulty = partial(base.faulty, half="parted")


@cache
def salaries(count: int = 1200) -> Split:
    """Made-up staff: years of work, of school, hours a week, a manager or not (n, 4); dollars a year (n, 1)."""
    g = torch.Generator().manual_seed(401)
    years, school = 35 * torch.rand(count, generator=g), 8 + 12 * torch.rand(count, generator=g)
    hours = 20 + 30 * torch.rand(count, generator=g)
    chief = (torch.rand(count, generator=g) < 0.02 + years / 90).float()
    pay = (9000 + 2200 * years - 30 * years**2 + 140 * school**2) * (hours / 40) * (1 + 0.35 * chief)
    columns = torch.stack([years, school, hours, chief], 1)
    return cut(columns, (pay + 2500 * torch.randn(count, generator=g)).unsqueeze(1))


@cache
def made_regression(count: int = 1200) -> Split:
    """Scikit-learn's `make_regression` of 12 columns, six of them of use; targets (n, 1) of some hundreds."""
    inputs, targets = datasets.make_regression(count, 12, n_informative=6, noise=10, random_state=8)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).float().unsqueeze(1))


@faulty(
    "unscaled-inputs",
    also=("dead-units", "learning-rate-too-high", "diverged", "exploding-gradient", "loss-at-start"),
    tags=("cnn", "real-data"),
    tier="real",
)
def clothes_raw_pixels_by_sgd(seed: int, fixed: bool) -> Setup:
    """Pixels of 0 to 255 in a small LeNet under SGD; the division by 255 was forgotten."""
    torch.manual_seed(seed)
    data = fashion_raw(1500).on_inputs(lambda pixels: pixels / 255 if fixed else pixels)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.05, 0.9), *data.parts, accuracy, batch_size=32, epochs=7)


@faulty(
    "unscaled-inputs",
    also=("loss-at-start", "saturated-units", "not-learning", "dead-units"),
    tags=("mlp", "binary"),
    tier="real",
)
def loans_raw_incomes(seed: int, fixed: bool) -> Setup:
    """Incomes and debts of tens of thousands beside ages and months, as the file has them."""
    torch.manual_seed(seed)
    data = loans().standardised() if fixed else loans()
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "unscaled-inputs", also=("saturated-units", "not-learning", "underfitting"), tags=("mlp", "real-data"), tier="real"
)
def wine_tanh_on_raw_columns(seed: int, fixed: bool) -> Setup:
    """Thirteen columns from 0.1 to 1,600 into tanh: proline decides every unit, the others are not seen."""
    torch.manual_seed(seed)
    data = table("wine").standardised() if fixed else table("wine")
    model = nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 12), nn.Tanh(), nn.Linear(12, 3))
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=16, epochs=30)


@faulty(
    "unscaled-targets",
    also=("learning-rate-too-low", "loss-at-start", "underfitting", "not-learning"),
    tags=("mlp", "regression"),
    tier="real",
)
def salaries_in_dollars(seed: int, fixed: bool) -> Setup:
    """Salaries of tens of thousands as targets of a net whose outputs start near 0 and move by thousandths."""
    torch.manual_seed(seed)
    data = salaries().standardised()
    data = data.standardised_targets() if fixed else data
    model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=25)


@faulty(
    "unscaled-targets",
    also=("diverged", "exploding-gradient", "learning-rate-too-high", "loss-at-start", "dead-units"),
    tags=("mlp", "regression"),
    tier="real",
)
def made_regression_by_sgd(seed: int, fixed: bool) -> Setup:
    """`make_regression` gives targets of hundreds; squared errors of them are too much for SGD at 0.01."""
    torch.manual_seed(seed)
    data = made_regression().standardised_targets() if fixed else made_regression()
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    return Setup(model, nn.MSELoss(), sgd(0.01, 0.9), *data.parts, r2, batch_size=32, epochs=15)


@faulty("loss-at-start", also=("bad-initialisation", "exploding-gradient"), tags=("cnn", "real-data"), tier="real")
def clothes_head_of_unit_normals(seed: int, fixed: bool) -> Setup:
    """The last layer's weights are drawn with a deviation of 1: the first loss is tens where it should be 2.3."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    nn.init.normal_(model[-1].weight, std=0.01 if fixed else 1.0)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *fashion(1500).parts, accuracy, batch_size=32, epochs=6)


@faulty(
    "loss-at-start",
    also=("bad-initialisation", "learning-rate-too-low", "unscaled-targets"),
    tags=("mlp", "regression"),
    tier="real",
)
def concrete_bias_at_the_raw_mean(seed: int, fixed: bool) -> Setup:
    """The output's bias starts at the mean strength of 27 MPa, from the time before targets were standardised."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    model = nn.Sequential(nn.Linear(4, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
    nn.init.constant_(model[-1].bias, 0.0 if fixed else concrete().targets.mean().item())
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=15)
