"""Data of the clinic: the same at every call, cut into a training and a validation part."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from sklearn import datasets
from torch import Tensor

from latih.data import TensorExamples, load

from ._base import Pair


class Split(NamedTuple):
    """A training and a validation part; images are (n, 1, 28, 28), tables (n, columns), targets (n,)."""

    inputs: Tensor
    targets: Tensor
    valid_inputs: Tensor
    valid_targets: Tensor

    @property
    def train(self) -> Pair:
        """What the loop learns from."""
        return self.inputs, self.targets

    @property
    def valid(self) -> Pair:
        """What the score is taken on."""
        return self.valid_inputs, self.valid_targets

    @property
    def parts(self) -> tuple[Pair, Pair]:
        """The training part and the validation part, in the order in which `Setup` takes them."""
        return self.train, self.valid

    def on_inputs(self, change: Callable[[Tensor], Tensor]) -> Split:
        """The same split with `change` applied to the inputs of both parts."""
        return self._replace(inputs=change(self.inputs), valid_inputs=change(self.valid_inputs))

    def on_targets(self, change: Callable[[Tensor], Tensor]) -> Split:
        """The same split with `change` applied to the targets of both parts."""
        return self._replace(targets=change(self.targets), valid_targets=change(self.valid_targets))

    def standardised(self) -> Split:
        """Every column to mean 0 and deviation 1, as the training part has them."""
        mean, std = self.inputs.mean(0), self.inputs.std(0).clamp(min=1e-6)
        return self.on_inputs(lambda inputs: (inputs - mean) / std)

    def standardised_targets(self) -> Split:
        """Targets to mean 0 and deviation 1, as the training part has them."""
        mean, std = self.targets.mean(0), self.targets.std(0)
        return self.on_targets(lambda targets: (targets - mean) / std)

    def columns(self) -> Split:
        """Images as (n, 784) rows."""
        return self.on_inputs(lambda inputs: inputs.flatten(1))

    def first(self, count: int) -> Split:
        """The same with only the first `count` training examples."""
        return self._replace(inputs=self.inputs[:count], targets=self.targets[:count])


def cut(inputs: Tensor, targets: Tensor, share: float = 0.25) -> Split:
    """Shuffle once, with a fixed seed, and keep the last `share` of the rows for validation."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(20))
    inputs, targets, kept = inputs[order], targets[order], round(len(inputs) * (1 - share))
    return Split(inputs[:kept], targets[:kept], inputs[kept:], targets[kept:])


@cache
def fashion_raw(count: int = 2000, valid: int = 500) -> Split:
    """Fashion-MNIST with pixels from 0 to 255."""
    data = load("fashion-mini")
    assert isinstance(data.train, TensorExamples)
    assert isinstance(data.valid, TensorExamples)
    inputs, rest = data.train.inputs[:count].float(), data.valid.inputs[:valid].float()
    return Split(inputs, data.train.targets[:count], rest, data.valid.targets[:valid])


@cache
def fashion(count: int = 2000, valid: int = 500) -> Split:
    """Fashion-MNIST, standardised by the mean and deviation of its pixels."""
    return fashion_raw(count, valid).on_inputs(lambda pixels: (pixels / 255 - 0.2860) / 0.3530)


@cache
def table(name: str) -> Split:
    """One of scikit-learn's bundled tables, raw: digits, iris, wine, breast_cancer (classes), diabetes (values)."""
    inputs, targets = getattr(datasets, f"load_{name}")(
        return_X_y=True, **({"scaled": False} if name == "diabetes" else {})
    )
    wanted = torch.tensor(targets).float() if name == "diabetes" else torch.tensor(targets).long()
    return cut(torch.tensor(inputs).float(), wanted)


@cache
def digits() -> Split:
    """The 8 x 8 digits as (n, 1, 8, 8), scaled to about mean 0 and deviation 1."""
    return table("digits").on_inputs(lambda pixels: ((pixels - 4.9) / 6.0).view(-1, 1, 8, 8))


@cache
def friedman(count: int = 1500, noise: float = 0.5) -> Split:
    """Friedman's first function of 10 uniform columns, raw values of 0 to 30."""
    inputs, targets = datasets.make_friedman1(count, noise=noise, random_state=3)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).float())


@cache
def houses(count: int = 1500) -> Split:
    """Made-up houses: area in square feet, rooms, age, distance, year sold, income; price in currency units."""
    g = torch.Generator().manual_seed(7)
    area = 600 + 3400 * torch.rand(count, generator=g)
    rooms = (area / 500 + torch.randn(count, generator=g)).round().clamp(1, 9)
    age = 80 * torch.rand(count, generator=g)
    distance = 30 * torch.rand(count, generator=g) ** 2
    year = torch.randint(1995, 2024, (count,), generator=g).float()
    income = torch.exp(10.8 + 0.4 * torch.randn(count, generator=g))
    worth = 90 * area * torch.exp(-distance / 15) + 9000 * rooms - 400 * age * (rooms < 5)
    price = worth * (1 + 0.02 * (year - 1995)) + 1.2 * income + 8000 * torch.randn(count, generator=g)
    return cut(torch.stack([area, rooms, age, distance, year, income], 1), price)


@cache
def spirals(count: int = 1200) -> Split:
    """Two arms of a spiral, one class each."""
    g = torch.Generator().manual_seed(5)
    arm = torch.randint(0, 2, (count,), generator=g)
    radius = torch.rand(count, generator=g).sqrt()
    angle = 7.5 * radius + torch.pi * arm
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], 1) * 2
    return cut(points + 0.04 * torch.randn(count, 2, generator=g), arm)


@cache
def moons(count: int = 1000, noise: float = 0.15) -> Split:
    """Two interleaved half circles."""
    inputs, targets = datasets.make_moons(count, noise=noise, random_state=1)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).long()).standardised()


@cache
def rings(count: int = 1200) -> Split:
    """A disc inside a ring in 2 of 6 columns; the other columns are noise."""
    g = torch.Generator().manual_seed(9)
    inputs = torch.randn(count, 6, generator=g)
    return cut(inputs, (inputs[:, :2].norm(dim=1) > 1.18).long())


@cache
def parity(bits: int = 4, count: int = 1600) -> Split:
    """Is the number of ones among `bits` noisy bits odd?"""
    g = torch.Generator().manual_seed(11)
    signs = torch.randint(0, 2, (count, bits), generator=g)
    return cut(2.0 * signs - 1 + 0.2 * torch.randn(count, bits, generator=g), signs.sum(1) % 2)
