"""Tables, pictures and blocks of the fifth series, part a; the data are the same at every call."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from .._data import Split, cut


@cache
def cars(count: int = 1600) -> Split:
    """Made-up used cars: age, kilometres, kilowatts, cubic centimetres, kilograms (n, 5); price in euros (n, 1)."""
    g = torch.Generator().manual_seed(501)
    age = 18 * torch.rand(count, generator=g)
    driven = (age + 0.5) * 13000 * torch.exp(0.5 * torch.randn(count, generator=g))
    power = 45 + 160 * torch.rand(count, generator=g).square()
    size = 800 + 12 * power + 200 * torch.randn(count, generator=g)
    weight = 900 + 4 * power + 120 * torch.randn(count, generator=g)
    price = 260 * power * torch.exp(-0.13 * age - driven / 300_000) + 3 * (size - 1000) * (age > 12) + 1200
    price = price * torch.exp(0.08 * torch.randn(count, generator=g))
    return cut(torch.stack([age, driven, power, size, weight], 1).round(), price.round().unsqueeze(1))


@cache
def cars_scaled() -> Split:
    """The same with columns and prices at mean 0 and deviation 1."""
    return cars().standardised().standardised_targets()


@cache
def wages(count: int = 1600) -> Split:
    """Made-up employees: age, years of school, hours a week, service, grade 0-4, staff (n, 6); dollars (n, 1)."""
    g = torch.Generator().manual_seed(503)
    age = 20 + 45 * torch.rand(count, generator=g)
    school = torch.randint(8, 21, (count,), generator=g).float()
    hours = (40 + 8 * torch.randn(count, generator=g)).clamp(10, 70)
    service = (age - 18) * torch.rand(count, generator=g)
    grade = torch.randint(0, 5, (count,), generator=g).float()
    staff = torch.exp(5 + 1.5 * torch.randn(count, generator=g)).round().clamp(min=1)
    rate = 9 + 0.9 * (school - 8) + 0.05 * service * (school - 6) + 5 * grade - 0.012 * (age - 48).square()
    wage = rate * hours * 50 * torch.exp(0.08 * torch.randn(count, generator=g)) + 700 * staff.log()
    return cut(torch.stack([age, school, hours, service, grade, staff], 1), wage.round().unsqueeze(1))


@cache
def churn(count: int = 2000) -> Split:
    """Made-up customers: months, bill, sum of bills, calls, contract 0-2, age (n, 6); did they leave (n, 1)?"""
    g = torch.Generator().manual_seed(505)
    months = torch.randint(1, 73, (count,), generator=g).float()
    bill = 20 + 100 * torch.rand(count, generator=g)
    total = months * bill * (0.9 + 0.2 * torch.rand(count, generator=g))
    calls = torch.randint(0, 10, (count,), generator=g).float()
    contract = torch.randint(0, 3, (count,), generator=g).float()
    age = 18 + 65 * torch.rand(count, generator=g)
    logit = 2.5 * (calls > 5) * (contract < 2) - 0.04 * months + 0.03 * (bill - 60) + 2 * torch.cos((age - 45) / 9)
    left = torch.rand(count, generator=g) < torch.sigmoid(2.2 * (logit + 0.3))
    return cut(torch.stack([months, bill, total, calls, contract, age], 1), left.float().unsqueeze(1))


@cache
def cells(count: int = 2000) -> Split:
    """Twenty measures of a cell, standardised (n, 20), and which of six kinds it is."""
    inputs, targets = datasets.make_classification(
        count,
        20,
        n_informative=10,
        n_redundant=4,
        n_classes=6,
        n_clusters_per_class=2,
        class_sep=1.6,
        flip_y=0.02,
        random_state=11,
    )
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).long()).standardised()


def _figures(count: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(507)
    kind, centre = torch.randint(0, 4, (count,), generator=g), 4 + 8 * torch.rand(count, 2, generator=g)
    size = (2.8 + 1.6 * torch.rand(count, generator=g)).view(-1, 1, 1)
    down = torch.arange(16.0).view(1, -1, 1) - centre[:, 0].view(-1, 1, 1)
    right = torch.arange(16.0).view(1, 1, -1) - centre[:, 1].view(-1, 1, 1)
    near, far = torch.minimum(down.abs(), right.abs()), torch.maximum(down.abs(), right.abs())
    forms = [
        down.square() + right.square() < size.square(),
        far < 0.9 * size,
        (down < 0.8 * size) & (down > 2 * right.abs() - size),
        (near < size / 3) & (far < size),
    ]
    inside = torch.stack(forms, 1)[torch.arange(count), kind].unsqueeze(1)
    ink = 90 + 165 * torch.rand(count, 3, 1, 1, generator=g)
    ground = 130 * torch.rand(count, 3, 1, 1, generator=g)
    pictures = torch.where(inside, ink, ground) + 22 * torch.randn(count, 3, 16, 16, generator=g)
    return pictures.clamp(0, 255).round(), kind, centre


@cache
def figures_raw(count: int = 1600) -> Split:
    """Noisy coloured pictures (n, 3, 16, 16) in 0..255 of a disc, a square, a triangle or a cross at any place."""
    pictures, kind, _ = _figures(count)
    return cut(pictures, kind)


@cache
def figures(count: int = 1600) -> Split:
    """The same pictures at about mean 0 and deviation 1."""
    return figures_raw(count).on_inputs(lambda pixels: (pixels / 255 - 0.36) / 0.25)


@cache
def places(count: int = 1600) -> Split:
    """The same pictures, scaled, and the figure's middle (n, 2) in pixels of the photograph of 1,600 by 1,600."""
    pictures, _, centre = _figures(count)
    return cut((pictures / 255 - 0.36) / 0.25, 100 * centre)


def cosine(optimizer: torch.optim.Optimizer, updates: int) -> object:
    """Half a cosine down to zero over the run."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)


class Block(nn.Module):
    """A basic residual block: two normed convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.down: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(out)) + self.down(x))
