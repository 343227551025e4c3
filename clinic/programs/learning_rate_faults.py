"""Right nets on right data, with steps that are too long or too short."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, friedman, houses, rings, spirals, table
from .._scores import binary_accuracy
from .optimization_faults import classify, fit, net


@faulty("learning-rate-too-high", also=("dead-units",), tags=("mlp", "classification", "real-data"))
def digits_sgd_at_five(seed: int, fixed: bool) -> Setup:
    """Plain SGD at a learning rate of 5."""
    torch.manual_seed(seed)
    lr = 0.05 if fixed else 5.0
    return classify(
        net(64, 64, 32, 10), digits(), lambda m: torch.optim.SGD(m.parameters(), lr=lr), batch_size=32, epochs=15
    )


@faulty("learning-rate-too-high", also=("unsuited-optimizer",), tags=("mlp", "classification", "real-data"))
def fashion_adam_at_a_tenth(seed: int, fixed: bool) -> Setup:
    """Adam at 0.1, the learning rate of the SGD that it replaced."""
    torch.manual_seed(seed)
    lr = 1e-3 if fixed else 0.1
    model = net(784, 100, 100, 100, 10)
    return classify(model, fashion(2000), lambda m: torch.optim.Adam(m.parameters(), lr=lr), batch_size=32, epochs=6)


@faulty("learning-rate-too-high", also=("diverged", "oscillating-loss"), tags=("mlp", "regression", "table"))
def houses_momentum_added_at_the_same_rate(seed: int, fixed: bool) -> Setup:
    """Momentum 0.95 was switched on and the learning rate left at 0.3, which makes steps twenty times longer."""
    torch.manual_seed(seed)
    lr = 0.01 if fixed else 0.3
    return fit(
        net(6, 40, 40, 1, activation=nn.Tanh),
        houses().standardised().standardised_targets(),
        lambda m: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.95, nesterov=True),
        batch_size=40,
        epochs=15,
    )


@faulty("learning-rate-too-high", tags=("mlp", "regression", "real-data"))
def diabetes_rmsprop_at_a_third(seed: int, fixed: bool) -> Setup:
    """RMSprop at 0.3."""
    torch.manual_seed(seed)
    lr = 2e-3 if fixed else 0.3
    return fit(
        net(10, 16, 16, 1, activation=nn.ELU),
        table("diabetes").standardised().standardised_targets(),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=lr),
        batch_size=16,
        epochs=8,
    )


@faulty("learning-rate-too-low", tags=("mlp", "classification", "real-data"))
def fashion_sgd_at_one_in_hundred_thousand(seed: int, fixed: bool) -> Setup:
    """SGD at 1e-5: the net of the last epoch is the net of the first."""
    torch.manual_seed(seed)
    lr = 0.05 if fixed else 1e-5
    return classify(
        net(784, 64, 10, activation=nn.Tanh),
        fashion(2000),
        lambda m: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.9),
        batch_size=50,
        epochs=6,
    )


@faulty("learning-rate-too-low", also=("underfitting",), tags=("mlp", "regression"))
def friedman_adam_for_fine_tuning(seed: int, fixed: bool) -> Setup:
    """AdamW at 2e-5, a rate for fine-tuning, on a net that starts from nothing."""
    torch.manual_seed(seed)
    lr = 3e-3 if fixed else 2e-5
    return fit(
        net(10, 64, 64, 1, activation=nn.GELU),
        friedman().standardised().standardised_targets(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=lr),
        batch_size=32,
        epochs=20,
    )


@faulty("learning-rate-too-low", tier="real", tags=("mlp", "classification", "schedule"))
def spirals_schedule_counted_in_steps(seed: int, fixed: bool) -> Setup:
    """`ExponentialLR(gamma=0.9)` is meant for epochs and stepped after every update: soon the rate is nothing."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9 ** (1 / 30) if fixed else 0.9)

    return classify(
        net(2, 64, 64, 2, activation=nn.LeakyReLU),
        spirals(),
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        batch_size=30,
        epochs=25,
        schedule=schedule,
    )


@faulty("learning-rate-too-low", tags=("mlp", "classification", "schedule", "real-data"))
def digits_warm_up_longer_than_the_run(seed: int, fixed: bool) -> Setup:
    """The rate warms up over 50,000 updates, copied from a large model; the run has 258."""
    torch.manual_seed(seed)
    warm = 30 if fixed else 50_000

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm))

    return classify(
        net(64, 48, 48, 10, activation=nn.SiLU),
        digits(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=2e-3),
        batch_size=32,
        epochs=6,
        schedule=schedule,
    )


@faulty("oscillating-loss", also=("learning-rate-too-high",), tags=("mlp", "regression"))
def friedman_tiny_batches_heavy_momentum(seed: int, fixed: bool) -> Setup:
    """Batches of 4 with momentum 0.99: the loss swings and never settles."""
    torch.manual_seed(seed)
    momentum = 0.8 if fixed else 0.99
    return fit(
        net(10, 32, 32, 1, activation=nn.Tanh),
        friedman().standardised().standardised_targets().first(600),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.003, momentum=momentum),
        batch_size=4,
        epochs=8,
    )


@faulty("oscillating-loss", also=("learning-rate-too-high",), tags=("mlp", "classification", "schedule", "real-data"))
def fashion_cycles_too_wide(seed: int, fixed: bool) -> Setup:
    """A cyclical rate goes up to 2 and down every 20 updates: what is learnt below is lost above."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return torch.optim.lr_scheduler.CyclicLR(
            optimizer, 0.01, 0.15 if fixed else 2.0, step_size_up=10, cycle_momentum=False
        )

    return classify(
        net(784, 64, 32, 10, activation=nn.Tanh),
        fashion(2000),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01),
        batch_size=50,
        epochs=8,
        schedule=schedule,
    )


@faulty("oscillating-loss", also=("learning-rate-too-high",), tags=("mlp", "classification", "full-batch", "real-data"))
def digits_full_batch_at_the_edge(seed: int, fixed: bool) -> Setup:
    """Gradient descent on all rows at once, with a rate at which the loss jumps from side to side."""
    torch.manual_seed(seed)
    lr = 1.0 if fixed else 8.0
    data = digits()
    return classify(
        net(64, 32, 10, activation=nn.Tanh),
        data,
        lambda m: torch.optim.SGD(m.parameters(), lr=lr),
        batch_size=len(data.inputs),
        epochs=150,
    )


@faulty("diverged", also=("learning-rate-too-high",), tags=("mlp", "regression", "table"))
def houses_polynomial_columns(seed: int, fixed: bool) -> Setup:
    """Squares and products of columns go into a net with SGD at 0.2: the loss explodes at once and the net is lost."""
    torch.manual_seed(seed)
    lr = 0.01 if fixed else 0.2
    pairs = torch.triu_indices(6, 6)
    data = houses().standardised().standardised_targets()
    data = data.on_inputs(lambda x: torch.cat([x, x[:, pairs[0]] * x[:, pairs[1]]], 1)).standardised()
    return fit(
        net(27, 50, 25, 1),
        data,
        lambda m: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.9),
        batch_size=32,
        epochs=10,
    )


@faulty("diverged", also=("wrong-loss",), tier="real", tags=("mlp", "classification", "binary", "real-data"))
def tumours_logarithm_of_zero(seed: int, fixed: bool) -> Setup:
    """A hand-written log loss takes log(1 - 1) once the net is quite sure of a row: NaN in the middle of the run."""
    torch.manual_seed(seed)
    small = 1e-6 if fixed else 0.0

    def loss(output: Tensor, target: Tensor) -> Tensor:
        p = torch.sigmoid(output[:, 0]).clamp(small, 1 - small)
        return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()

    return Setup(
        net(30, 40, 20, 1),
        loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *table("breast_cancer").standardised().on_targets(Tensor.float).parts,
        binary_accuracy,
        batch_size=32,
        epochs=20,
    )


class UnitLength(nn.Module):
    """Divides every row by its length."""

    def __init__(self, smallest: float):
        super().__init__()
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.sqrt((x * x).sum(1, keepdim=True) + self.smallest)


@faulty("diverged", tier="real", tags=("mlp", "classification", "normalised-features"))
def rings_rows_of_length_zero(seed: int, fixed: bool) -> Setup:
    """Rectified features are divided by their length, and for some row all of them are zero: 0/0."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 6), nn.ReLU(), UnitLength(1e-6 if fixed else 0.0))
    return classify(
        model.append(nn.Linear(6, 2)),
        rings(),
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        batch_size=25,
        epochs=15,
    )
