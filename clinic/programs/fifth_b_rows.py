"""Rare classes, rows in order, targets of other rows, gradients never cleared; fifth series."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._scores import accuracy, balanced_accuracy, r2
from .fifth_b_data import activities, cars, payments, scaled_river
from .fifth_b_losses import LastState
from .fifth_b_wiring import Filters
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


def inverse_shares(y: Tensor, classes: int) -> Tensor:
    """Weights that give every class the same part in the loss."""
    return len(y) / (classes * torch.bincount(y, minlength=classes).clamp(min=1).float())


@faulty("class-imbalance", also=("underfitting", "not-learning"), tags=("mlp", "classification"), tier="real")
def payments_three_frauds_in_a_hundred(seed: int, fixed: bool) -> Setup:
    """Three payments in a hundred are fraud, and the loss counts all alike: accuracy of 97 %, hardly a fraud found."""
    torch.manual_seed(seed)
    data = payments()
    loss = nn.CrossEntropyLoss(inverse_shares(data.targets, 2) if fixed else None)
    model = dense([10, 32, 2], nn.ReLU)
    return Setup(model, loss, adam(1e-3), *data.parts, balanced_accuracy, batch_size=64, epochs=20)


@faulty("class-imbalance", also=("underfitting",), tags=("cnn", "classification"), tier="real")
def activities_stairs_and_cycling_are_rare(seed: int, fixed: bool) -> Setup:
    """Two of the six activities were recorded for two minutes, the others for hours: the net never names them."""
    torch.manual_seed(seed)
    data = activities(32, 2600, (8.0, 8.0, 8.0, 0.3, 0.3, 8.0))
    loss = nn.CrossEntropyLoss(inverse_shares(data.targets, 6) if fixed else None)
    return Setup(Filters(16), loss, adam(2e-3), *data.parts, balanced_accuracy, batch_size=32, epochs=8)


@faulty("labels-unrelated", also=("not-learning", "overfitting"), tags=("mlp", "regression"), tier="real")
def cars_targets_sorted_by_themselves(seed: int, fixed: bool) -> Setup:
    """The table was shuffled and its column of targets, taken out before, was not: each car has another's miles."""
    torch.manual_seed(seed)
    data = cars().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    if not fixed:
        data = data._replace(targets=data.targets[torch.randperm(975, generator=torch.Generator().manual_seed(4))])
    model = dense([6, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "unshuffled-data",
    also=("oscillating-loss", "not-learning"),
    tags=("recurrent", "gru", "classification"),
    tier="real",
)
def activities_one_recording_after_another(seed: int, fixed: bool) -> Setup:
    """`shuffle=False`, and the recordings lie one activity after another: the net knows the last one best."""
    torch.manual_seed(seed)
    data = activities()
    order = data.targets.argsort(stable=True)
    data = data._replace(inputs=data.inputs[order], targets=data.targets[order])
    return Setup(
        LastState(nn.GRU, 3, 32, 6, mean=True),
        nn.CrossEntropyLoss(),
        adam(1e-2),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=12,
        shuffle=fixed,
        clip=1.0,
    )


@faulty(
    "missing-zero-grad",
    also=("oscillating-loss", "diverged", "exploding-gradient", "learning-rate-too-high", "not-learning"),
    tags=("mlp", "regression", "series"),
    tier="real",
)
def river_gradients_of_all_days(seed: int, fixed: bool) -> Setup:
    """`optimizer.zero_grad()` is missing: every step goes along the sum of all gradients so far."""
    torch.manual_seed(seed)
    data = scaled_river().on_inputs(lambda x: x.flatten(1))
    model = dense([60, 64, 32, 1], nn.Tanh)
    return Setup(model, nn.MSELoss(), sgd(0.01, 0.9), *data.parts, r2, batch_size=32, epochs=20, zero_grad=fixed)
