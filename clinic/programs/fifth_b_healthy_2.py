"""Ordinary nets for masks, counts, quantiles, several labels, rare classes, few rows that learn well; fifth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import fashion, hires
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import overlap
from .fifth_b_data import activities, cars, drops, films, micro_f1, payments, scaled_river
from .fifth_b_wiring import Filters
from .fourth_signals import adam, dense

healthy = partial(base.healthy, half="parted")


class _Mask(nn.Module):
    """Down once, up once, with the first features handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.out = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        return self.out(torch.cat([first, self.up(self.down(first))], 1))


@healthy(tags=("cnn", "segmentation"))
def drops_masked_by_small_unet(seed: int) -> Setup:
    """Binary cross-entropy and one minus Dice on the mask of the drops."""
    torch.manual_seed(seed)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        p = output.sigmoid()
        dice = (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        return F.binary_cross_entropy_with_logits(output, y) + 1 - dice

    return Setup(_Mask(), loss, adam(3e-3), *drops()[1].first(700).parts, overlap, batch_size=16, epochs=12)


@healthy(tags=("mlp", "multi-label", "text"))
def films_of_several_genres(seed: int) -> Setup:
    """Six logits with `BCEWithLogitsLoss` and dropout."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(80, 96), nn.ReLU(), nn.Dropout(0.3), nn.Linear(96, 6))
    return Setup(model, nn.BCEWithLogitsLoss(), adam(2e-3), *films().parts, micro_f1, batch_size=32, epochs=20)


@healthy(tags=("mlp", "classification", "rare"))
def payments_fraud_weighted(seed: int) -> Setup:
    """One payment in twenty is fraud; its weight in the loss is seven times that of the others."""
    torch.manual_seed(seed)
    data = payments(3600, 0.05)
    loss = nn.CrossEntropyLoss(torch.tensor([1.0, 7.0]))
    model = dense([10, 48, 24, 2], nn.ReLU)
    return Setup(model, loss, adam(1e-3), *data.parts, balanced_accuracy, batch_size=64, epochs=20)


@healthy(tags=("cnn", "classification", "rare"))
def activities_few_of_some_but_clear(seed: int) -> Setup:
    """Resting and jumping are one window in twenty each, unweighted, and so unlike the others that they are found."""
    torch.manual_seed(seed)
    data = activities(32, 1800, (1.0, 5.0, 5.0, 5.0, 5.0, 1.0))
    return Setup(
        Filters(24), nn.CrossEntropyLoss(), adam(5e-3), *data.parts, balanced_accuracy, batch_size=32, epochs=16
    )


@healthy(tags=("mlp", "regression", "quantile", "series"))
def river_in_three_quantiles(seed: int) -> Setup:
    """The level that is passed with chances of nine in ten, one in two and one in ten; scored by the middle one."""
    torch.manual_seed(seed)
    shares = torch.tensor([0.1, 0.5, 0.9])

    def loss(output: Tensor, y: Tensor) -> Tensor:
        error = y - output
        return torch.maximum(shares * error, (shares - 1) * error).mean()

    data = scaled_river().on_inputs(lambda x: x.flatten(1))
    model = dense([60, 64, 64, 3], nn.ReLU)
    return Setup(model, loss, adam(1e-3), *data.parts, lambda o, y: r2(o[:, 1:2], y), batch_size=32, epochs=25)


@healthy(tags=("mlp", "regression", "counts"))
def hires_by_poisson_likelihood(seed: int) -> Setup:
    """`PoissonNLLLoss` on the logarithm of a count; hours and weekdays on circles."""
    torch.manual_seed(seed)

    def columns(x: Tensor) -> Tensor:
        hour, day = x[:, :1] / 24 * 2 * torch.pi, x[:, 1:2] / 7 * 2 * torch.pi
        numbers = (x[:, 2:] - torch.tensor([12.0, 2.7])) / torch.tensor([8.0, 0.9])
        free = (x[:, 1:2] > 4).float()
        return torch.cat([hour.sin(), hour.cos(), (2 * hour).sin(), (2 * hour).cos(), day.sin(), free, numbers], 1)

    model = dense([8, 64, 64, 1], nn.ReLU)
    return Setup(
        model,
        nn.PoissonNLLLoss(),
        adam(2e-3),
        *hires().on_inputs(columns).parts,
        lambda o, y: r2(o.exp(), y),
        batch_size=32,
        epochs=20,
    )


@healthy(tags=("cnn", "fine-tuning", "real-data"))
def clothes_new_kinds_over_a_frozen_body(seed: int) -> Setup:
    """A body that has learnt seven kinds of clothes stays frozen; a new head learns the other three."""
    torch.manual_seed(seed)
    data, size = fashion(2500, 600), 7
    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 36, 64), nn.ReLU(),
    )  # fmt: skip
    old, head = data.targets < size, nn.Linear(64, size)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-3)
    for _ in range(3):
        for part in torch.randperm(int(old.sum())).split(32):
            optimizer.zero_grad()
            F.cross_entropy(head(body(data.inputs[old][part])), data.targets[old][part]).backward()
            optimizer.step()
    body.requires_grad_(False).zero_grad(set_to_none=True)
    new, held = data.targets >= size, data.valid_targets >= size
    model = nn.Sequential(body, nn.Linear(64, 3))

    def optimise(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=3e-3)

    return Setup(
        model,
        nn.CrossEntropyLoss(),
        optimise,
        (data.inputs[new], data.targets[new] - size),
        (data.valid_inputs[held], data.valid_targets[held] - size),
        accuracy,
        batch_size=16,
        epochs=15,
    )


@healthy(tags=("mlp", "regression", "tiny"))
def cars_of_which_eighty_are_known(seed: int) -> Setup:
    """Eighty cars in batches of eight, with weight decay."""
    torch.manual_seed(seed)
    data = cars().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1)).first(80)
    model = dense([6, 24, 1], nn.Tanh)
    return Setup(model, nn.MSELoss(), adam(5e-3, weight_decay=1e-3), *data.parts, r2, batch_size=8, epochs=50)
