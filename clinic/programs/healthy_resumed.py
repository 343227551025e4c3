"""Healthy programs that start from trained weights: at their end, midway, restarted, frozen in part, fine-tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import Split, digits, fashion, fashion_raw, friedman, table
from .._run import run
from .._scores import accuracy, r2
from .._sequences import scaled_consumption

Optimizer = Callable[[nn.Module], torch.optim.Optimizer]


def after(before: Setup, seed: int, optimizer: Optimizer, **changes: object) -> Setup:
    """Train `before` as it stands, then hand the same model over to a new run with another optimizer."""
    run(before, seed + 100)
    return dataclasses.replace(before, optimizer=optimizer, **{"schedule": None, **changes})


def _cut_at(data: Split, keep: list[int]) -> Split:
    """Only the classes of `keep`, counted from 0 anew."""
    number = torch.full((10,), -1)
    number[keep] = torch.arange(len(keep))
    train, valid = number[data.targets] >= 0, number[data.valid_targets] >= 0
    return Split(
        data.inputs[train], number[data.targets[train]], data.valid_inputs[valid], number[data.valid_targets[valid]]
    )


def _digit_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(384, 10),
    )


def _adam(rate: float) -> Optimizer:
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate)


@healthy(tags=("mlp", "classification", "real-data", "resumed"))
def at_its_end(seed: int) -> Setup:
    """A digit reader that has been trained already goes on at a small rate: hardly any loss is left to move."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 8 - 1)
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 10))
    before = Setup(model, nn.CrossEntropyLoss(), _adam(3e-3), data.train, data.valid, accuracy, epochs=12)
    return after(before, seed, _adam(1e-4), epochs=5)


@healthy(tags=("cnn", "classification", "real-data", "resumed", "batch-norm"))
def interpolated_and_still_going(seed: int) -> Setup:
    """A convolutional net that fits every training picture, with gradients close to nothing, under plain momentum."""
    torch.manual_seed(seed)
    data = digits().first(800)
    before = Setup(_digit_net(), nn.CrossEntropyLoss(), _adam(5e-3), data.train, data.valid, accuracy, epochs=12)
    return after(before, seed, lambda model: torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), epochs=5)


@healthy(tags=("mlp", "regression", "resumed"))
def regression_at_the_noise(seed: int) -> Setup:
    """A regression resumed where only the noise of the targets is left in the loss."""
    torch.manual_seed(seed)
    data = friedman(count=2400, noise=2.0).standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = nn.Sequential(nn.Linear(10, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
    before = Setup(model, nn.MSELoss(), _adam(5e-3), data.train, data.valid, r2, batch_size=60, epochs=12)
    return after(before, seed, lambda model: torch.optim.SGD(model.parameters(), lr=1e-3), epochs=6)


@healthy(tags=("mlp", "classification", "real-data", "resumed"))
def in_the_middle(seed: int) -> Setup:
    """A Fashion-MNIST run taken up again from a checkpoint after two epochs, with a fresh Adam."""
    torch.manual_seed(seed)
    data = fashion(2500, 500)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Dropout(0.1), nn.Linear(100, 10))
    before = Setup(model, nn.CrossEntropyLoss(), _adam(5e-4), data.train, data.valid, accuracy, epochs=2)
    return after(before, seed, _adam(5e-4), epochs=4)


@healthy(tags=("cnn", "classification", "real-data", "schedule", "restart"))
def warm_restarts(seed: int) -> Setup:
    """A cosine that jumps back to its top twice: the loss rises at each restart, and that is the plan."""
    torch.manual_seed(seed)
    data = digits()
    return Setup(
        _digit_net(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        epochs=9,
        schedule=lambda o, updates: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, updates // 3),
    )


@healthy(tags=("mlp", "regression", "real-data", "resumed", "restart"))
def restarted_at_a_higher_rate(seed: int) -> Setup:
    """A trained net is shaken up by a rate thirty times its last one and then cooled to where it was and below."""
    torch.manual_seed(seed)
    data = scaled_consumption(length=24).on_inputs(lambda x: x.squeeze(-1))
    model = nn.Sequential(nn.Linear(24, 48), nn.ReLU(), nn.Linear(48, 1))
    before = Setup(model, nn.MSELoss(), _adam(1e-3), data.train, data.valid, r2, epochs=6)
    cool = torch.optim.lr_scheduler.ExponentialLR
    return after(before, seed, _adam(0.03), epochs=8, schedule=lambda o, updates: cool(o, 0.005 ** (1 / updates)))


def _seen(seed: int, keep: list[int]) -> tuple[nn.Sequential, Split]:
    """A convolutional net that has learnt seven kinds of clothes, and the pictures of the kinds to come."""
    torch.manual_seed(seed)
    data = fashion(2400, 600).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2))
    old = _cut_at(data, [kind for kind in range(10) if kind not in keep])
    body = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
    )
    model = nn.Sequential(body, nn.Linear(216, 10 - len(keep)))
    run(Setup(model, nn.CrossEntropyLoss(), _adam(5e-3), old.train, old.valid, accuracy, batch_size=64, epochs=3), seed)
    return body, _cut_at(data, keep)


@healthy(tags=("cnn", "classification", "real-data", "transfer", "frozen"))
def frozen_body_new_head(seed: int) -> Setup:
    """A pretrained body without gradients and a new head; the optimizer gets only what is to be trained."""
    body, data = _seen(seed, [0, 5, 8])
    for weight in body.parameters():
        weight.requires_grad_(False)
    model = nn.Sequential(body, nn.Linear(216, 3))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(filter(lambda weight: weight.requires_grad, model.parameters()), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=24,
        epochs=6,
    )


class _Still(nn.Module):
    """A body whose batch norm keeps its statistics, whatever mode the whole is in."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def train(self, mode: bool = True) -> _Still:
        super().train(mode)
        for part in self.body.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))


@healthy(tags=("cnn", "classification", "real-data", "transfer", "frozen", "batch-norm"))
def fine_tuned_with_still_batch_norm(seed: int) -> Setup:
    """Fine-tuning with batch norm left in evaluation mode and a rate for the body far below the head's."""
    body, data = _seen(seed, [2, 7, 9])

    def grouped(model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, _Still)
        groups = [{"params": model.body.parameters(), "lr": 5e-5}, {"params": model.head.parameters(), "lr": 2e-3}]
        return torch.optim.AdamW(groups, weight_decay=0.01)

    return Setup(
        _Still(body, nn.Sequential(nn.Dropout(0.2), nn.Linear(216, 3))),
        nn.CrossEntropyLoss(),
        grouped,
        data.train,
        data.valid,
        accuracy,
        batch_size=16,
        epochs=4,
    )


@healthy(tags=("mlp", "classification", "real-data", "transfer", "low-rank"))
def low_rank_adapters(seed: int) -> Setup:
    """A net for upright clothes learns to read them upside down through low-rank additions that start at zero."""
    torch.manual_seed(seed)
    data = fashion(2000, 500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))
    model = nn.Sequential(nn.Linear(196, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 10))
    run(Setup(model, nn.CrossEntropyLoss(), _adam(3e-3), data.train, data.valid, accuracy, epochs=4), seed)

    class _Adapted(nn.Module):
        def __init__(self, layer: nn.Linear) -> None:
            super().__init__()
            self.layer = layer.requires_grad_(False)
            self.down, self.up = (
                nn.Linear(layer.in_features, 12, bias=False),
                nn.Linear(12, layer.out_features, bias=False),
            )
            nn.init.zeros_(self.up.weight)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layer(inputs) + self.up(self.down(inputs))

    turned = data.on_inputs(lambda pictures: pictures.flip(1))
    parts = [_Adapted(part) if isinstance(part, nn.Linear) else part for part in model]
    return Setup(
        nn.Sequential(*parts),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.AdamW((weight for weight in model.parameters() if weight.requires_grad), lr=5e-3),
        turned.train,
        turned.valid,
        accuracy,
        epochs=7,
    )


@healthy(tags=("mlp", "classification", "real-data", "frozen", "random-features"))
def random_features(seed: int) -> Setup:
    """A random hidden layer that is never trained, on purpose, under a linear head that is."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)
    hidden = nn.Linear(64, 500)
    nn.init.normal_(hidden.weight, std=0.3)
    nn.init.uniform_(hidden.bias, -1.0, 1.0)
    hidden.requires_grad_(False)
    model = nn.Sequential(hidden, nn.ReLU(), nn.Linear(500, 10))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model[2].parameters(), lr=2e-3),  # type: ignore[index]
        data.train,
        data.valid,
        accuracy,
        epochs=10,
    )


@healthy(tags=("cnn", "classification", "real-data", "resumed", "small-rate"))
def fine_tuning_at_a_tiny_rate(seed: int) -> Setup:
    """Trained on clean pictures, adapted to noisier ones at a rate of 2e-5: small steps, and no more are needed."""
    torch.manual_seed(seed)
    clean = fashion_raw(1500, 500).on_inputs(lambda pixels: F.avg_pool2d(pixels, 2) / 255)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    run(Setup(model, nn.CrossEntropyLoss(), _adam(3e-3), clean.train, clean.valid, accuracy, epochs=6), seed)
    noise = torch.Generator().manual_seed(61)
    noisy = clean.on_inputs(lambda pixels: (pixels + 0.1 * torch.randn(pixels.shape, generator=noise)).clamp(0, 1))
    return Setup(model, nn.CrossEntropyLoss(), _adam(2e-5), noisy.train, noisy.valid, accuracy, epochs=4)


@healthy(tags=("mlp", "classification", "real-data", "stages"))
def progressive_unfreezing(seed: int) -> Setup:
    """First the head alone for two epochs, then everything at a tenth of the rate, by two groups and a schedule."""
    body, data = _seen(seed, [1, 3, 6])
    model = _Still(body, nn.Linear(216, 3))

    def grouped(model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, _Still)
        return torch.optim.Adam([{"params": model.head.parameters()}, {"params": model.body.parameters()}], lr=3e-3)

    def stages(optimizer: torch.optim.Optimizer, updates: int) -> torch.optim.lr_scheduler.LRScheduler:
        later = updates // 3
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, [lambda step: 1.0, lambda step: 0.1 if step >= later else 0.0]
        )

    return Setup(
        model,
        nn.CrossEntropyLoss(),
        grouped,
        data.train,
        data.valid,
        accuracy,
        batch_size=24,
        epochs=6,
        schedule=stages,
    )
