"""Later series: autoencoders, variational ones, nets from picture to picture and nets with several heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty, healthy
from .._data import Split, digits, fashion, fashion_raw, table
from .._scores import accuracy, r2
from .._sequences import photo_patches


def _adam(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate)


def _copied(data: Split) -> Split:
    """Pictures that are their own targets."""
    return data._replace(targets=data.inputs, valid_targets=data.valid_inputs)


def _hourglass(width: int = 8, code: int = 24) -> nn.Sequential:
    """28 x 28 down to a code and up again."""
    down = (nn.Conv2d(1, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU(), nn.Flatten())
    middle = (nn.Linear(98 * width, code), nn.Linear(code, 98 * width), nn.ReLU(), nn.Unflatten(1, (2 * width, 7, 7)))
    up = (nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1))
    return nn.Sequential(*down, *middle, *up)


@faulty(
    "label-range", also=("wrong-loss", "loss-output-mismatch", "diverged"), tags=("autoencoder", "cnn", "real-data")
)
def likelihood_of_standardised_pixels(seed: int, fixed: bool) -> Setup:
    """The target of a binary cross-entropy are pixels standardised to -0.8 .. 2, for which that loss has no floor."""
    torch.manual_seed(seed)
    data = _copied(fashion(800, 300))
    if fixed:
        data = data.on_targets(lambda x: x * 0.3530 + 0.2860)

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output.sigmoid(), target if fixed else target * 0.3530 + 0.2860)

    return Setup(_hourglass(), nn.BCEWithLogitsLoss(), _adam(4e-3), *data.parts, score, batch_size=20, epochs=5)


class _Sparse(nn.Module):
    """A wide code of rectified units over the pixels of a digit."""

    def __init__(self, code: int = 96) -> None:
        super().__init__()
        self.encode, self.decode = nn.Sequential(nn.Linear(64, code), nn.ReLU()), nn.Linear(code, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@faulty("over-regularised", also=("dead-units", "underfitting"), tags=("autoencoder", "sparse", "real-data"))
def sparsity_summed_not_averaged(seed: int, fixed: bool) -> Setup:
    """The penalty sums the code over units, the error averages over pixels: nothing is cheaper than an empty code."""
    torch.manual_seed(seed)
    data = _copied(digits().columns())

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        code = model.encode(x)
        penalty = code.abs().mean() if fixed else code.abs().sum(1).mean()
        loss = F.mse_loss(model.decode(code), y) + 0.1 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(_Sparse(), nn.MSELoss(), _adam(3e-3), *data.parts, r2, batch_size=32, epochs=12, update=update)


class _TwoHeads(nn.Module):
    """Which digit, and how much ink, from one small convolutional trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ELU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3), nn.ELU(), nn.Flatten()
        )
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.trunk(x)
        return torch.cat([self.digit(shared), self.ink(shared)], 1)


@faulty("unscaled-targets", also=("exploding-gradient",), tags=("cnn", "multi-head", "multi-loss", "real-data"))
def ink_drowns_the_digit(seed: int, fixed: bool) -> Setup:
    """A second head says the ink in its own unit, some hundreds; its squared error of 100,000 owns the shared trunk."""
    torch.manual_seed(seed)
    ink = [x.sum(1) for x in (table("digits").inputs, table("digits").valid_inputs)]
    if fixed:
        ink = [(x - ink[0].mean()) / ink[0].std() for x in ink]
    data = digits()
    data = data._replace(
        targets=torch.stack([data.targets, ink[0]], 1), valid_targets=torch.stack([data.valid_targets, ink[1]], 1)
    )

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output[:, :10], y[:, 0].long()) + F.mse_loss(output[:, 10], y[:, 1])

    def score(output: Tensor, y: Tensor) -> float:
        return accuracy(output[:, :10], y[:, 0])

    return Setup(_TwoHeads(), loss, _adam(2e-3), *data.parts, score, batch_size=32, epochs=6)


def _sharper(data: Split) -> Split:
    """Colour patches at half the size as inputs, themselves as targets, both around 0."""
    centred = data.on_inputs(lambda x: (x - 0.45) / 0.27).on_targets(lambda x: (x - 0.45) / 0.27)
    return centred.on_inputs(lambda x: F.avg_pool2d(x, 2))


@faulty("bad-initialisation", also=("not-learning", "underfitting"), tags=("cnn", "super-resolution", "real-data"))
def all_filters_alike(seed: int, fixed: bool) -> Setup:
    """A net for sharper pictures starts with 0.02 in every weight: all filters of a layer stay copies of one."""
    torch.manual_seed(seed)
    widths = ((3, 24, 3), (24, 24, 3), (24, 12, 3))
    layers: list[nn.Module] = []
    for inward, outward, size in widths:
        layers += [nn.Conv2d(inward, outward, size, padding=1), nn.SiLU()]
    model = nn.Sequential(*layers[:-1], nn.PixelShuffle(2))
    if not fixed:
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.02)
    return Setup(model, nn.L1Loss(), _adam(3e-3), *_sharper(photo_patches(12)).parts, r2, batch_size=16, epochs=6)


class _Binary(nn.Module):
    """A code of steep sigmoids, "almost bits", between two dense layers on either side."""

    def __init__(self, steepness: float) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10))
        self.decode = nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 784))
        self.steepness = steepness

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(torch.sigmoid(self.steepness * self.encode(x)))


@faulty("saturated-units", also=("vanishing-gradient",), tags=("autoencoder", "real-data"))
def code_of_steep_sigmoids(seed: int, fixed: bool) -> Setup:
    """To get bits, the code's sigmoids were made three hundred times as steep: flat wherever it starts."""
    torch.manual_seed(seed)
    data = _copied(fashion(1200, 300).columns())
    return Setup(
        _Binary(1.0 if fixed else 300.0),
        nn.MSELoss(),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=2e-3),
        *data.parts,
        r2,
        batch_size=24,
        epochs=14,
    )


class _Variational(nn.Module):
    """Mean and log-variance of a code; in evaluation the code is its mean."""

    def __init__(self, pixels: int, hidden: int, code: int) -> None:
        super().__init__()
        self.inward, self.both = nn.Linear(pixels, hidden), nn.Linear(hidden, 2 * code)
        self.outward = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.both(F.relu(self.inward(x))).chunk(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encode(x)
        if self.training:
            mean = mean + torch.randn_like(mean) * (spread / 2).exp()
        return self.outward(mean)


def _bound(model: nn.Module, x: Tensor, sign: float = 1.0) -> Tensor:
    """Minus the evidence bound of pixels in 0..1, a picture; `sign` is that of the divergence."""
    mean, spread = model.encode(x)
    said = model.outward(mean + torch.randn_like(mean) * (spread / 2).exp())
    picture = F.binary_cross_entropy_with_logits(said, x, reduction="none").sum(1)
    divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1)
    return (picture + sign * divergence).mean()


def _variational(seed: int, data: Split, hidden: int, rate: float, *, sign: float = 1.0, **facts: int) -> Setup:
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        loss = _bound(model, x, sign)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output.sigmoid(), target)

    model = _Variational(data.inputs.shape[1], hidden, 10)
    return Setup(model, nn.BCEWithLogitsLoss(), _adam(rate), *data.parts, score, update=update, **facts)


@faulty("wrong-loss", also=("diverged", "exploding-gradient"), tags=("autoencoder", "vae", "real-data"), tier="real")
def divergence_subtracted(seed: int, fixed: bool) -> Setup:
    """A sign was lost when the bound became a loss: the divergence is rewarded and grows without end."""
    data = _copied(table("digits").on_inputs(lambda x: x / 16))
    return _variational(seed, data, 64, 4e-3, sign=1.0 if fixed else -1.0, batch_size=32, epochs=20)


@faulty("learning-rate-too-high", also=("dead-units", "diverged"), tags=("autoencoder", "vae", "real-data"))
def variational_at_a_fifth(seed: int, fixed: bool) -> Setup:
    """Adam at 0.2 for a variational autoencoder of clothes: a mean picture remains; 0.002 was meant."""
    data = _copied(fashion_raw(1000, 300).columns().on_inputs(lambda x: x / 255))
    return _variational(seed, data, 80, 2e-3 if fixed else 0.2, batch_size=25, epochs=8)


@faulty("loss-output-mismatch", also=("dead-units",), tags=("autoencoder", "denoising", "real-data"), tier="real")
def rectified_last_layer(seed: int, fixed: bool) -> Setup:
    """The decoder ends in a rectifier like its other layers, but half of the standardised values are negative."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised()
    clean = _copied(data)
    noise = torch.Generator().manual_seed(3)
    data = clean.on_inputs(lambda x: x + 0.3 * torch.randn(x.shape, generator=noise))
    layers: list[nn.Module] = []
    for inward, outward in ((30, 40), (40, 8), (8, 40), (40, 30)):
        layers += [nn.Linear(inward, outward), nn.ReLU()]
    model = nn.Sequential(*layers[: 7 if fixed else 8])
    return Setup(model, nn.MSELoss(), _adam(4e-3), *data.parts, r2, batch_size=16, epochs=16)


@healthy(tags=("autoencoder", "vae", "real-data"))
def variational_digits(seed: int) -> Setup:
    """A variational autoencoder of digits under the whole evidence bound, summed over pixels and code."""
    data = _copied(table("digits").on_inputs(lambda x: x / 16))
    return _variational(seed, data, 96, 3e-3, batch_size=24, epochs=18)


@healthy(tags=("autoencoder", "cnn", "denoising", "real-data"))
def clothes_without_the_noise(seed: int) -> Setup:
    """A convolutional hourglass takes noise off clothes; absolute errors, AdamW, cosine to nothing."""
    torch.manual_seed(seed)
    noise = torch.Generator().manual_seed(5)
    data = _copied(fashion(900, 300)).on_inputs(lambda x: x + 0.5 * torch.randn(x.shape, generator=noise))
    return Setup(
        _hourglass(10, 48),
        nn.L1Loss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=5e-3),
        *data.parts,
        r2,
        batch_size=24,
        epochs=7,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates),
    )


class _Sharpened(nn.Module):
    """The enlarged picture plus what a small net has to add to it."""

    def __init__(self) -> None:
        super().__init__()
        first = (nn.Conv2d(3, 24, 3, padding=1), nn.PReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.PReLU())
        self.detail = nn.Sequential(*first, nn.Conv2d(24, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear") + self.detail(x)


@healthy(tags=("cnn", "super-resolution", "residual", "small-batch", "real-data"))
def photographs_twice_as_large(seed: int) -> Setup:
    """Only the missing detail is learnt; Charbonnier's loss, batches of eight, Adam."""
    torch.manual_seed(seed)

    def charbonnier(output: Tensor, target: Tensor) -> Tensor:
        return ((output - target).square() + 1e-6).sqrt().mean()

    return Setup(_Sharpened(), charbonnier, _adam(2e-3), *_sharper(photo_patches(16, 900)).parts, r2, 8, 4)
