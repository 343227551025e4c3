"""Autoencoders and fine-tuning; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, fashion, fashion_raw, table
from .._scores import accuracy, r2
from .._sequences import photo_patches
from .fourth_signals import adam, dense

healthy = partial(base.healthy, half="parted")


def itself(data: Split) -> Split:
    """The same inputs, each its own target."""
    return data._replace(targets=data.inputs, valid_targets=data.valid_inputs)


@healthy(tags=("autoencoder", "mlp", "real-data"))
def clothes_through_sixteen_numbers(seed: int) -> Setup:
    """A dense autoencoder of pixels in 0..1 with a sigmoid and binary cross-entropy."""
    torch.manual_seed(seed)
    data = itself(fashion_raw(1200).on_inputs(lambda x: x.flatten(1) / 255))
    model = nn.Sequential(*dense([784, 128, 16, 128, 784], nn.ReLU), nn.Sigmoid())
    return Setup(model, nn.BCELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=12)


@healthy(tags=("autoencoder", "cnn", "real-data"))
def photographs_by_convolutions_and_back(seed: int) -> Setup:
    """Convolutions with strides down, transposed ones up again, mean squared error."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 16, 2, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 2, stride=2),
        nn.Sigmoid(),
    )
    return Setup(model, nn.MSELoss(), adam(3e-3), *photo_patches().parts, r2, batch_size=32, epochs=14)


@healthy(tags=("autoencoder", "denoising", "real-data"))
def digits_less_their_noise(seed: int) -> Setup:
    """Noisy digits in, clean ones wanted."""
    torch.manual_seed(seed)
    data = itself(table("digits").on_inputs(lambda x: x / 16))
    g = torch.Generator().manual_seed(12)
    data = data.on_inputs(lambda x: x + 0.2 * torch.randn(x.shape, generator=g))
    model = dense([64, 128, 32, 128, 64], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=15)


class _Variational(nn.Module):
    """A variational autoencoder; it remembers the divergence of its last code."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(128, 8), nn.Linear(128, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 784))
        self.divergence = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        found = self.encoder(x)
        mean, log_variance = self.mean(found), self.log_variance(found)
        self.divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        noise = torch.randn_like(mean) if self.training else 0.0
        return self.decoder(mean + (0.5 * log_variance).exp() * noise)


@healthy(tags=("autoencoder", "vae", "real-data"))
def clothes_by_variational_autoencoder(seed: int) -> Setup:
    """Summed binary cross-entropy over the pixels and the divergence, both a picture."""
    torch.manual_seed(seed)
    model, data = _Variational(), itself(fashion_raw(1500).on_inputs(lambda x: x.flatten(1) / 255))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, target, reduction="sum") / len(target) + model.divergence

    score = lambda output, target: r2(output.sigmoid(), target)  # noqa: E731
    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=32, epochs=10)


def _head() -> nn.Sequential:
    """Two dense layers for five classes."""
    return nn.Sequential(nn.Linear(24 * 49, 64), nn.ReLU(), nn.Linear(64, 5))


class _Pretrained(nn.Module):
    """Two convolutions and a head for five classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.head = _head()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def _only(data: Split, classes: tuple[int, ...]) -> Split:
    """Pictures of these classes, numbered from 0."""
    wanted, number = torch.tensor(classes), torch.zeros(10, dtype=torch.long)
    number[wanted] = torch.arange(len(classes))
    known, asked = torch.isin(data.targets, wanted), torch.isin(data.valid_targets, wanted)
    return Split(
        data.inputs[known], number[data.targets[known]], data.valid_inputs[asked], number[data.valid_targets[asked]]
    )


def _seen(seed: int) -> _Pretrained:
    """A net that has learnt every second kind of clothes, with a new head."""
    torch.manual_seed(seed)
    model, data = _Pretrained(), _only(fashion(3000), (0, 2, 4, 6, 8))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(4):
        for index in torch.randperm(len(data.inputs)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(data.inputs[index]), data.targets[index]).backward()
            optimizer.step()
    optimizer.zero_grad()
    model.head = _head()
    return model


@healthy(tags=("cnn", "fine-tuning", "frozen", "real-data"))
def other_clothes_over_a_frozen_body(seed: int) -> Setup:
    """The body learnt five kinds of clothes and is frozen; a new head learns the other five."""
    model, data = _seen(seed), _only(fashion(1200), (1, 3, 5, 7, 9))
    model.body.requires_grad_(False)
    head = lambda model: torch.optim.Adam(model.head.parameters(), lr=1e-3)  # noqa: E731
    return Setup(model, nn.CrossEntropyLoss(), head, *data.parts, accuracy, batch_size=16, epochs=10)


@healthy(tags=("cnn", "fine-tuning", "real-data"))
def other_clothes_body_at_a_tenth_of_the_rate(seed: int) -> Setup:
    """All is fine-tuned: the new head at 0.001, the body at a tenth of this."""
    model, data = _seen(seed), _only(fashion(1200), (1, 3, 5, 7, 9))

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        groups = [{"params": model.head.parameters()}, {"params": model.body.parameters(), "lr": 1e-4}]
        return torch.optim.AdamW(groups, lr=1e-3)

    return Setup(model, nn.CrossEntropyLoss(), optimizer, *data.parts, accuracy, batch_size=16, epochs=8)
