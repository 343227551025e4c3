"""Healthy trainings of dense nets, tables, tastes and small pictures; third series."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    checkers,
    clicks,
    colours,
    concrete,
    diamonds,
    digits,
    fashion,
    genes,
    loans,
    patches,
    pendulum,
    phase,
    pumps,
    roll,
    table,
)
from .._scores import accuracy, balanced_accuracy, binary_accuracy, r2
from .healthy_resumed import after
from .later_dense_faults import adam, net, sgd
from .later_healthy_dense import cosine
from .third_dense_faults import Borrower, Clicks, Priced, clicked, scaled
from .third_optimisation_faults import filters
from .third_tabular_faults import slots

healthy = base.healthy


def one_cycle(peak: float) -> Callable[[torch.optim.Optimizer, int], Any]:
    """Up to `peak` and down to nothing."""
    return lambda optimizer, updates: torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=updates + 1)


@healthy(tags=("mlp", "classification"))
def checkers_on_one_cycle(seed: int) -> Setup:
    """A board of fields, four layers of GELU, AdamW on one cycle up to 0.02."""
    torch.manual_seed(seed)
    model, loss = net([2, 64, 64, 64, 2], nn.GELU), nn.CrossEntropyLoss()
    parts = checkers().parts
    return Setup(model, loss, adam(1e-3), *parts, accuracy, batch_size=32, epochs=20, schedule=one_cycle(0.02))


@healthy(tags=("mlp", "classification"))
def colours_from_nought_to_one(seed: int) -> Setup:
    """Bytes over 255 and no more, plain SGD without momentum, half a cosine down from 0.3."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 255)
    model, loss = net([3, 128, 64, 7]), nn.CrossEntropyLoss()
    return Setup(model, loss, sgd(0.3, 0.0), *data.parts, accuracy, batch_size=16, epochs=16, schedule=cosine)


@healthy(tags=("mlp", "embedding", "classification"))
def loans_rmsprop_by_steps(seed: int) -> Setup:
    """Two categories by embedding and four numbers; RMSprop whose rate falls by 0.3 at each third."""
    torch.manual_seed(seed)
    data, optimizer = loans().on_inputs(scaled), lambda model: torch.optim.RMSprop(model.parameters(), lr=3e-3)
    steps = lambda optimizer, updates: torch.optim.lr_scheduler.StepLR(optimizer, updates // 3, 0.3)  # noqa: E731
    model, loss = Borrower(width=64), nn.CrossEntropyLoss(label_smoothing=0.05)
    return Setup(model, loss, optimizer, *data.parts, accuracy, batch_size=50, epochs=15, schedule=steps)


@healthy(tags=("mlp", "norm", "regression"))
def concrete_raw_columns_into_a_norm(seed: int) -> Setup:
    """Columns as they are in the file; the first layer is a batch norm, which scales them."""
    torch.manual_seed(seed)
    data = concrete().standardised_targets()
    model = nn.Sequential(nn.BatchNorm1d(4), net([4, 64, 64, 1], nn.SiLU))
    return Setup(model, nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=50, epochs=20, schedule=cosine)


@healthy(tags=("mlp", "embedding", "regression", "likelihood"))
def diamonds_by_gamma_deviance(seed: int) -> Setup:
    """Prices in thousands by the deviance of a gamma law, with a log link; NAdam, cosine."""
    torch.manual_seed(seed)
    data = diamonds().on_targets(lambda y: y / 1000)
    loss = lambda output, target: (target * torch.exp(-output) + output).mean()  # noqa: E731
    score = lambda output, target: r2(output, target.log())  # noqa: E731
    optimizer = lambda model: torch.optim.NAdam(model.parameters(), lr=4e-3)  # noqa: E731
    return Setup(Priced(), loss, optimizer, *data.parts, score, batch_size=32, epochs=14, schedule=cosine)


@healthy(tags=("embedding", "recommender"))
def clicks_by_factors(seed: int) -> Setup:
    """A factorisation machine of six factors with decay, batches of 100."""
    torch.manual_seed(seed)
    optimizer = adam(2e-2, weight_decay=0.3)
    return Setup(Clicks(6, 0.1), clicked, optimizer, *clicks().parts, binary_accuracy, batch_size=100, epochs=12)


class _Towers(nn.Module):
    """One tower for people and hours, one for advertisements; the cosine of both over a learnt temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.people, self.ads, self.hours = nn.Embedding(120, 16), nn.Embedding(60, 16), nn.Embedding(24, 4)
        self.left, self.right = net([20, 32, 16]), net([16, 32, 16])
        self.heat, self.bias = nn.Parameter(torch.tensor(1.5)), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        person, ad, hour = x.unbind(1)
        left = self.left(torch.cat([self.people(person), self.hours(hour)], 1))
        return F.cosine_similarity(left, self.right(self.ads(ad))) * self.heat.exp() + self.bias


@healthy(tags=("embedding", "recommender", "two-tower"))
def clicks_by_two_towers(seed: int) -> Setup:
    """Two towers that meet in a cosine with a temperature of its own; AdamW with decay."""
    torch.manual_seed(seed)
    optimizer = adam(3e-3, weight_decay=0.1)
    return Setup(_Towers(), clicked, optimizer, *clicks().parts, binary_accuracy, batch_size=50, epochs=10)


@healthy(tags=("mlp", "regression", "dynamics"))
def pendulum_by_its_change(seed: int) -> Setup:
    """The net says only how the state changes; the Huber loss, AdamW, a rate that falls by a little every update."""
    torch.manual_seed(seed)

    class Change(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.change = net([2, 64, 64, 2], nn.Tanh)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.change(x)

    fall = lambda optimizer, updates: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.03 ** (1 / updates))  # noqa: E731
    parts = pendulum().parts
    return Setup(Change(), nn.HuberLoss(), adam(8e-3), *parts, r2, batch_size=25, epochs=16, schedule=fall)


@healthy(tags=("mlp", "radial", "regression"))
def roll_by_radial_units(seed: int) -> Setup:
    """Eighty bells around points of the training part, whose places and widths are learnt, and a linear layer."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()

    class Bells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(data.inputs[torch.randperm(len(data.inputs))[:80]].clone())
            self.width, self.head = nn.Parameter(torch.full((80,), 0.7)), nn.Linear(80, 1)

        def forward(self, x: Tensor) -> Tensor:
            apart = (x[:, None] - self.places).square().sum(2)
            return self.head(torch.exp(-apart / (2 * self.width.square())))

    return Setup(Bells(), nn.MSELoss(), adam(1e-2), *data.parts, r2, batch_size=30, epochs=14)


@healthy(tags=("mlp", "regression", "quantile"))
def phase_in_five_quantiles(seed: int) -> Setup:
    """Five quantiles under the pinball loss, built as a lowest one and four steps up, so that they never cross."""
    torch.manual_seed(seed)
    data, levels = phase().standardised().standardised_targets(), torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net([4, 48, 48, 5], nn.ELU)

        def forward(self, x: Tensor) -> Tensor:
            low, steps = self.body(x).split([1, 4], 1)
            return torch.cat([low, F.softplus(steps)], 1).cumsum(1)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        error = target - output
        return torch.maximum(levels * error, (levels - 1) * error).mean()

    score = lambda output, target: r2(output[:, 2], target)  # noqa: E731
    return Setup(Steps(), loss, adam(5e-3), *data.parts, score, batch_size=32, epochs=15)


@healthy(tags=("mlp", "regression", "likelihood"))
def phase_by_laplace_likelihood(seed: int) -> Setup:
    """Middle and spread of a Laplace law; the loss goes below zero as the spread narrows; clipped at 1."""
    torch.manual_seed(seed)
    data = phase().standardised().standardised_targets()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        middle, log = output.chunk(2, 1)
        return (log + (target - middle).abs() * torch.exp(-log)).mean()

    score = lambda output, target: r2(output[:, :1], target)  # noqa: E731
    return Setup(net([4, 64, 64, 2], nn.SiLU), loss, adam(5e-3), *data.parts, score, 32, epochs=15, clip=1.0)


@healthy(tags=("mlp", "classification", "sampled"))
def pumps_drawn_evenly(seed: int) -> Setup:
    """Failures are one in twenty-five; each update draws half of its batch from them, as an even sampler does."""
    torch.manual_seed(seed)
    data, draws = pumps(), torch.Generator().manual_seed(seed)
    rare = data.inputs[data.targets == 1]

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        common = inputs[targets == 0][:20]
        extra = rare[torch.randint(0, len(rare), (20,), generator=draws)]
        labels = torch.tensor([0] * len(common) + [1] * 20)
        loss = F.cross_entropy(model(torch.cat([common, extra])), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model, loss = net([8, 40, 20, 2]), F.cross_entropy
    optimizer = adam(2e-3, weight_decay=0.1)
    return Setup(model, loss, optimizer, *data.parts, balanced_accuracy, batch_size=24, epochs=8, update=update)


@healthy(tags=("linear", "classification", "wide"))
def genes_by_lasso(seed: int) -> Setup:
    """Logistic regression on 150 columns with an L1 penalty of its own, which leaves few weights; momentum."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets) + 0.006 * model[0].weight.abs().sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    model = nn.Sequential(nn.Linear(150, 2))
    return Setup(
        model, F.cross_entropy, sgd(0.01), *genes(600).parts, accuracy, batch_size=15, epochs=15, update=update
    )


@healthy(tags=("cnn", "norm", "real-data"))
def patches_normed_with_nesterov(seed: int) -> Setup:
    """Temple or flower: convolution, batch norm, ReLU, thrice; Nesterov with a little decay and a cosine."""
    torch.manual_seed(seed)
    sizes, parts = [3, 12, 16, 24], []
    for a, b in pairwise(sizes):
        parts += [nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Flatten(), nn.Linear(96, 2))

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)

    loss = nn.CrossEntropyLoss()
    return Setup(model, loss, optimizer, *patches().parts, accuracy, batch_size=32, epochs=8, schedule=cosine)


@healthy(tags=("cnn", "transfer", "frozen", "real-data"))
def patches_head_on_a_body_that_knows_turns(seed: int) -> Setup:
    """A body learnt first to tell by how much a patch was turned; frozen, it carries a head for temple and flower."""
    torch.manual_seed(seed)
    data, body = patches(), filters([3, 16, 24, 32], 4, grid=2)
    optimizer = torch.optim.Adam(body.parameters(), lr=3e-3)
    for _ in range(12):
        for part in data.inputs[torch.randperm(len(data.inputs))].split(32):
            turns = torch.randint(0, 4, (len(part),))
            turned = torch.stack([picture.rot90(int(turn), (1, 2)) for picture, turn in zip(part, turns, strict=True)])
            optimizer.zero_grad()
            F.cross_entropy(body(turned), turns).backward()
            optimizer.step()
    model = nn.Sequential(*body[:-1].requires_grad_(False), nn.Linear(128, 2))

    def head(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)

    return Setup(model, nn.CrossEntropyLoss(), head, *data.parts, accuracy, batch_size=25, epochs=8)


@healthy(tags=("cnn", "augmented", "real-data"))
def digits_shifted_and_smoothed(seed: int) -> Setup:
    """Each batch of digits is shifted by up to a pixel before it is learnt; smoothed labels, Adamax."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        down, across = torch.randint(-1, 2, (2,), generator=draws).tolist()
        optimizer.zero_grad()
        shifted = inputs.roll((down, across), (2, 3))
        loss = F.cross_entropy(model(shifted), targets, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model, optimizer = filters([1, 16, 24, 32], 10, grid=2), lambda m: torch.optim.Adamax(m.parameters(), lr=8e-3)
    return Setup(model, F.cross_entropy, optimizer, *digits().parts, accuracy, batch_size=32, epochs=10, update=update)


@healthy(tags=("mlp", "multi-head", "real-data"))
def clothes_kind_and_shelf(seed: int) -> Setup:
    """A dict of heads says the kind (ten) and the shelf (tops, shoes, other); the shelf's loss counts a third."""
    torch.manual_seed(seed)
    data = fashion(2000).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))
    shelf = torch.tensor([0, 2, 0, 2, 0, 1, 0, 1, 2, 1])

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(196, 96), nn.LayerNorm(96), nn.SiLU(), nn.Dropout(0.2))
            self.heads = nn.ModuleDict({"kind": nn.Linear(96, 10), "shelf": nn.Linear(96, 3)})

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            return torch.cat([self.heads[name](h) for name in ("kind", "shelf")], 1)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        kind, place = output.split([10, 3], 1)
        return F.cross_entropy(kind, target) + F.cross_entropy(place, shelf[target]) / 3

    score = lambda output, target: accuracy(output[:, :10], target)  # noqa: E731
    return Setup(Heads(), loss, adam(2e-3), *data.parts, score, batch_size=40, epochs=10, schedule=cosine)


@healthy(tags=("mlp", "classification", "small", "real-data"))
def iris_in_a_dozen_units(seed: int) -> Setup:
    """112 flowers, twelve tanh units, batches of 14, Adam at 0.02."""
    torch.manual_seed(seed)
    parts = table("iris").standardised().parts
    return Setup(net([4, 12, 3], nn.Tanh), nn.CrossEntropyLoss(), adam(2e-2), *parts, accuracy, 14, epochs=20)


@healthy(tags=("mlp", "regression", "noisy", "real-data"))
def diabetes_half_is_noise(seed: int) -> Setup:
    """A small net with dropout and decay explains the half of the disease's course that the columns know."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 1))
    return Setup(model, nn.SmoothL1Loss(), adam(4e-3, weight_decay=0.1), *data.parts, r2, batch_size=16, epochs=12)


@healthy(tags=("mlp", "regression", "bandit", "masked"))
def offers_by_what_was_shown(seed: int) -> Setup:
    """Of four values only that of the offer shown is known and pulled at; the score is what the best-looking earns."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(output.gather(1, target[:, :1].long()), target[:, 1:2])

    def score(output: Tensor, target: Tensor) -> float:
        worth = target[:, 2:]
        chosen = worth.gather(1, output.argmax(1, keepdim=True)).mean()
        return ((chosen - worth.mean()) / (worth.amax(1).mean() - worth.mean())).item()

    return Setup(net([5, 64, 64, 4], nn.SiLU), loss, adam(4e-3), *slots().parts, score, batch_size=32, epochs=12)


@healthy(tags=("mlp", "regression", "resumed"))
def concrete_last_epochs(seed: int) -> Setup:
    """Twenty epochs are over; five more at a twentieth of the rate bring it down to the noise."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    first = Setup(net([4, 48, 48, 1], nn.GELU), nn.MSELoss(), adam(6e-3), *data.parts, r2, batch_size=32, epochs=20)
    return after(first, seed, adam(3e-4), epochs=5)
