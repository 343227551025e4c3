"""Several heads and losses, two players, few of a class, tiny nets; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, digits, fashion, hastie, hires, moons, table, weather
from .._scores import accuracy, balanced_accuracy, binary_accuracy, r2
from .._sequences import discs, overlap
from .fourth_signals import adam, dense, sgd

healthy = partial(base.healthy, half="parted")


class _TwoHeads(nn.Module):
    """One body; a number and a logit side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.amount, self.windy = nn.Linear(64, 1), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(x)
        return torch.cat([self.amount(found), self.windy(found)], 1)


@healthy(tags=("mlp", "multi-head", "regression", "binary"))
def weather_amount_and_whether_it_is_much(seed: int) -> Setup:
    """Two heads, squared error for the water lost and cross-entropy for whether it is above the median."""
    torch.manual_seed(seed)
    data = weather().standardised().standardised_targets()
    middle = data.targets.median()
    data = data.on_targets(lambda y: torch.cat([y, (y > middle).float()], 1))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        second = F.binary_cross_entropy_with_logits(output[:, 1], target[:, 1])
        return F.mse_loss(output[:, 0], target[:, 0]) + second

    def score(output: Tensor, target: Tensor) -> float:
        return (r2(output[:, :1], target[:, :1]) + binary_accuracy(output[:, 1], target[:, 1])) / 2

    return Setup(_TwoHeads(), loss, adam(3e-3), *data.parts, score, batch_size=32, epochs=15)


@healthy(tags=("autoencoder", "mlp", "multi-loss", "real-data"))
def digits_named_and_drawn_again(seed: int) -> Setup:
    """A class and the picture itself from one code; the two losses are added, the picture's at one half."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda x: x / 16)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 24), nn.ReLU())
            self.classifier, self.decoder = nn.Linear(24, 10), dense([24, 64, 64], nn.ReLU)

        def forward(self, x: Tensor) -> Tensor:
            code = self.encoder(x)
            return torch.cat([self.classifier(code), self.decoder(code)], 1)

    pair = lambda x, y: torch.cat([y.unsqueeze(1).float(), x], 1)  # noqa: E731
    train = data.inputs, pair(*data.train)
    valid = data.valid_inputs, pair(*data.valid)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        named = F.cross_entropy(output[:, :10], target[:, 0].long())
        return named + 0.5 * F.mse_loss(output[:, 10:], target[:, 1:])

    score = lambda output, target: accuracy(output[:, :10], target[:, 0].long())  # noqa: E731
    return Setup(Both(), loss, adam(3e-3), train, valid, score, batch_size=32, epochs=12)


@healthy(tags=("mlp", "quantile", "regression"))
def hires_in_three_quantiles(seed: int) -> Setup:
    """A tenth, a half and nine tenths of the hires of an hour, by the pinball loss."""
    torch.manual_seed(seed)
    data, shares = hires(), torch.tensor([0.1, 0.5, 0.9])
    turn = lambda x: torch.cat([(x[:, :1] / 24 * 6.2832).sin(), (x[:, :1] / 24 * 6.2832).cos(), x], 1)  # noqa: E731
    data = data.on_inputs(turn).standardised().standardised_targets()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        short = target - output
        return torch.maximum(shares * short, (shares - 1) * short).mean()

    score = lambda output, target: r2(output[:, 1:2], target)  # noqa: E731
    return Setup(dense([6, 64, 64, 3], nn.ReLU), loss, adam(3e-3), *data.parts, score, batch_size=32, epochs=16)


@healthy(tags=("mlp", "imbalanced", "classification"))
def hastie_one_in_four(seed: int) -> Setup:
    """One row in four is of class 1, and no weight is needed for that."""
    torch.manual_seed(seed)
    data, model = hastie(2400, 0.25), dense([10, 64, 64, 2], nn.ReLU)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, balanced_accuracy, batch_size=32, epochs=15)


@healthy(tags=("cnn", "imbalanced", "binary", "real-data"))
def clothes_bag_or_not(seed: int) -> Setup:
    """One logit for one class in ten, under plain binary cross-entropy."""
    torch.manual_seed(seed)
    data = fashion(1500).on_targets(lambda y: (y == 8).float().unsqueeze(1))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten()
    ).append(nn.Linear(400, 1))
    score = lambda output, target: balanced_accuracy(torch.cat([-output, output], 1), target[:, 0])  # noqa: E731
    return Setup(model, nn.BCEWithLogitsLoss(), adam(2e-3), *data.parts, score, batch_size=32, epochs=7)


@healthy(tags=("mlp", "tiny", "classification"))
def moons_by_sixteen_units(seed: int) -> Setup:
    """One hidden layer of sixteen units."""
    torch.manual_seed(seed)
    model, data = dense([2, 16, 2], nn.Tanh), moons(800, 0.1)
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-2), *data.parts, accuracy, batch_size=16, epochs=15)


@healthy(tags=("mlp", "tiny", "regression", "real-data"))
def diabetes_by_one_layer(seed: int) -> Setup:
    """A linear regression, which is as good as anything on this table."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    return Setup(nn.Linear(10, 1), nn.MSELoss(), sgd(0.01), *data.parts, r2, batch_size=16, epochs=15)


@healthy(tags=("gan", "mlp", "generative"))
def moons_by_two_players(seed: int) -> Setup:
    """A generator of points and its critic take turns; the critic has an optimizer of its own."""
    torch.manual_seed(seed)
    real, g = moons(2400, 0.05), torch.Generator().manual_seed(14)
    points = Split(
        torch.randn(len(real.inputs), 4, generator=g),
        real.inputs,
        torch.randn(len(real.valid_inputs), 4, generator=g),
        real.valid_inputs,
    )
    model, critic = dense([4, 64, 64, 2], nn.ReLU), dense([2, 64, 64, 1], nn.LeakyReLU)
    second = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.softplus(-critic(output)).mean()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        second.zero_grad()
        made = model(torch.randn_like(inputs))
        (F.softplus(-critic(targets)).mean() + F.softplus(critic(made.detach())).mean()).backward()
        second.step()
        optimizer.zero_grad()
        found = loss(model(torch.randn_like(inputs)), targets)
        found.backward()
        optimizer.step()
        return found.detach()

    def score(output: Tensor, target: Tensor) -> float:
        near = torch.cdist(output, target).mean() * 2
        return 1 - (near - torch.cdist(output, output).mean() - torch.cdist(target, target).mean()).item()

    optimizer = adam(1e-3, betas=(0.5, 0.999))
    return Setup(model, loss, optimizer, *points.parts, score, batch_size=64, epochs=25, update=update)


@healthy(tags=("mlp", "adversarial", "real-data"))
def digits_against_an_adversary(seed: int) -> Setup:
    """Every batch is learnt as it is and as a step along the sign of its gradient makes it."""
    torch.manual_seed(seed)
    data, loss = digits().on_inputs(lambda x: x.flatten(1)), nn.CrossEntropyLoss()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        moved = inputs.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(loss(model(moved), targets), moved)
        optimizer.zero_grad()
        found = 0.5 * loss(model(inputs), targets) + 0.5 * loss(model(inputs + 0.1 * slope.sign()), targets)
        found.backward()
        optimizer.step()
        return found.detach()

    model = dense([64, 96, 96, 10], nn.ReLU)
    return Setup(model, loss, sgd(0.05, 0.9), *data.parts, accuracy, batch_size=32, epochs=10, update=update)


class _SmallUnet(nn.Module):
    """One step down, one up, and what was there before beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.middle = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found = self.down(x)
        return self.out(torch.cat([found, F.relu(self.up(self.middle(found)))], 1))


@healthy(tags=("cnn", "segmentation"))
def discs_by_small_unet(seed: int) -> Setup:
    """A small U-net, a logit a pixel, binary cross-entropy."""
    torch.manual_seed(seed)
    model, data = _SmallUnet(), discs(20, 700)
    return Setup(model, nn.BCEWithLogitsLoss(), adam(5e-3), *data.parts, overlap, batch_size=16, epochs=8)
