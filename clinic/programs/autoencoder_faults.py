"""Nets whose output is as large as their input: autoencoders, variational ones, denoisers, masks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, fashion_raw, table
from .._scores import r2
from .._sequences import discs, overlap, photo_patches


def _clothes(count: int = 1200, *, scale: float = 255.0) -> Split:
    """Half-size Fashion-MNIST, (n, 196) in 0..255/scale, each its own target."""
    raw = fashion_raw(count, 400).on_inputs(lambda x: F.avg_pool2d(x, 2).flatten(1) / scale)
    return Split(raw.inputs, raw.inputs, raw.valid_inputs, raw.valid_inputs)


def _written(scale: float = 16.0) -> Split:
    """Digits, (n, 64) in 0..16/scale, each its own target."""
    raw = table("digits").on_inputs(lambda x: x / scale)
    return Split(raw.inputs, raw.inputs, raw.valid_inputs, raw.valid_inputs)


def _adam(lr: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr)


class _Hourglass(nn.Module):
    """Encoder and decoder of dense layers, mirrored."""

    def __init__(self, sizes: list[int], act: type[nn.Module], last: nn.Module | None = None) -> None:
        super().__init__()

        def stack(sizes: list[int]) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for m, n in pairwise(sizes):
                layers += [nn.Linear(m, n), act()]
            return layers[:-1]

        self.encoder, self.decoder = nn.Sequential(*stack(sizes)), nn.Sequential(*stack(sizes[::-1]))
        self.last = last or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.decoder(self.encoder(x)))


class _Variational(nn.Module):
    """Means and log-variances beside each other; the loss takes the divergence that the last pass left behind."""

    def __init__(self, size: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.enc, self.mu, self.logvar = nn.Linear(size, hidden), nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.dec = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, size))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
        self.divergence = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)
        return self.dec(z)


@faulty("over-regularised", also=("wrong-loss", "underfitting"), tags=("autoencoder", "vae", "real-data"), tier="real")
def divergence_outweighs_the_picture(seed: int, fixed: bool) -> Setup:
    """Reconstruction is averaged over pixels, the divergence summed over latents: the posterior collapses to
    the mean picture.
    """
    torch.manual_seed(seed)
    data = _clothes()
    model = _Variational(196, 96, 12)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        each = F.binary_cross_entropy_with_logits(output, target, reduction="none")
        return ((each.sum(1) if fixed else each.mean(1)) + model.divergence).mean()

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output.sigmoid(), target)

    return Setup(model, loss, _adam(3e-3), data.train, data.valid, score, batch_size=48, epochs=12)


@faulty("diverged", also=("unscaled-inputs", "exploding-gradient"), tags=("autoencoder", "vae", "real-data"))
def variance_of_raw_pixels(seed: int, fixed: bool) -> Setup:
    """Raw bytes enter a variational autoencoder; exp(logvar) overflows within a few updates."""
    torch.manual_seed(seed)
    data = _clothes(1000, scale=255.0 if fixed else 1.0)
    model = _Variational(196, 128, 8)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (20 * (output - target).square().sum(1) + model.divergence).mean()

    optimizer = lambda m: torch.optim.Adamax(m.parameters(), lr=5e-3)  # noqa: E731
    return Setup(model, loss, optimizer, data.train, data.valid, r2, batch_size=40, epochs=14)


@faulty("underfitting", tags=("autoencoder", "real-data"))
def one_number_for_a_digit(seed: int, fixed: bool) -> Setup:
    """A bottleneck of one unit cannot hold a digit; twelve do."""
    torch.manual_seed(seed)
    data = _written()
    model = _Hourglass([64, 48, 12 if fixed else 1], nn.GELU)
    return Setup(model, nn.MSELoss(), _adam(4e-3), data.train, data.valid, r2, batch_size=32, epochs=20)


@faulty("dead-units", also=("learning-rate-too-high", "bad-initialisation"), tags=("autoencoder", "real-data"))
def rectifiers_pushed_under_water(seed: int, fixed: bool) -> Setup:
    """A "sparse" autoencoder starts its hidden biases at -1, out of reach of pixels in 0..1: hardly a unit
    ever fires.
    """
    torch.manual_seed(seed)
    data = _written()
    model = nn.Sequential(
        nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 96), nn.ReLU(), nn.Linear(96, 64)
    )
    if not fixed:
        for layer in (model[0], model[2], model[4]):
            nn.init.constant_(layer.bias, -1.0)
    return Setup(model, nn.MSELoss(), _adam(2e-3), data.train, data.valid, r2, batch_size=24, epochs=15)


@faulty(
    "unscaled-targets", also=("loss-output-mismatch", "unscaled-inputs"), tags=("autoencoder", "real-data"), tier="real"
)
def sigmoid_against_bytes(seed: int, fixed: bool) -> Setup:
    """The input is divided by 255, the target is not: a sigmoid of 0..1 has to reproduce 0..255."""
    torch.manual_seed(seed)
    raw, scaled = _clothes(1000, scale=1.0), _clothes(1000)
    target, valid = (scaled.targets, scaled.valid_targets) if fixed else (raw.targets, raw.valid_targets)
    return Setup(
        _Hourglass([196, 80, 20], nn.ReLU, nn.Sigmoid()),
        nn.MSELoss(),
        _adam(3e-3),
        (scaled.inputs, target),
        (scaled.valid_inputs, valid),
        r2,
        batch_size=32,
        epochs=14,
    )


@faulty("vanishing-gradient", also=("saturated-units", "bad-initialisation"), tags=("autoencoder", "deep", "real-data"))
def eight_sigmoids_deep(seed: int, fixed: bool) -> Setup:
    """A deep autoencoder of sigmoids says the mean picture whatever it sees; with ELU the same net copies."""
    torch.manual_seed(seed)
    data = _clothes()
    model = _Hourglass([196, 128, 96, 64, 24], nn.ELU if fixed else nn.Sigmoid)
    return Setup(model, nn.MSELoss(), _adam(2e-3), data.train, data.valid, r2, batch_size=40, epochs=12)


@faulty("wrong-loss", also=("learning-rate-too-high", "diverged"), tags=("autoencoder", "real-data"))
def squared_errors_summed(seed: int, fixed: bool) -> Setup:
    """`MSELoss(reduction="sum")` over a batch of pictures with a rate chosen for the mean."""
    torch.manual_seed(seed)
    data = _clothes(1000)
    return Setup(
        _Hourglass([196, 64, 16], nn.LeakyReLU),
        nn.MSELoss(reduction="mean" if fixed else "sum"),
        lambda m: torch.optim.SGD(m.parameters(), lr=1.0, momentum=0.9),
        data.train,
        data.valid,
        r2,
        batch_size=32,
        epochs=16,
    )


class _Mirror(nn.Module):
    """A code of sixteen with a decoder of its own."""

    def __init__(self, cut: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.cut = cut
        self.to_code = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 16))
        self.from_code = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 64))

    def forward(self, x: Tensor) -> Tensor:
        return self.from_code(self.cut(self.to_code(x)))


def _rounded(code: Tensor) -> Tensor:
    return torch.round(torch.sigmoid(code))


def _rounded_straight_through(code: Tensor) -> Tensor:
    soft = torch.sigmoid(code)
    return soft + (torch.round(soft) - soft).detach()


@faulty(
    "unreached-parameters", also=("vanishing-gradient",), tags=("autoencoder", "discrete", "real-data"), tier="real"
)
def bits_without_a_way_back(seed: int, fixed: bool) -> Setup:
    """The code is rounded to bits, and rounding has gradient zero: the encoder stays random without the
    straight-through trick.
    """
    torch.manual_seed(seed)
    data = _written()
    model = _Mirror(_rounded_straight_through if fixed else _rounded)
    return Setup(model, nn.MSELoss(), _adam(5e-3), data.train, data.valid, r2, batch_size=32, epochs=22)


@faulty("unoptimised-parameters", tags=("autoencoder", "real-data"))
def encoder_left_to_itself(seed: int, fixed: bool) -> Setup:
    """`Adam(model.decoder.parameters())`: the optimizer knows the decoder alone."""
    torch.manual_seed(seed)
    data = _written()

    def optimizer(m: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(m.parameters() if fixed else m.decoder.parameters(), lr=4e-3)

    return Setup(
        _Hourglass([64, 40, 8], nn.SiLU),
        nn.SmoothL1Loss(beta=0.1),
        optimizer,
        data.train,
        data.valid,
        r2,
        batch_size=32,
        epochs=20,
    )


def _denoiser(width: int, norm: Callable[[int], nn.Module] = lambda n: nn.Identity()) -> nn.Sequential:
    """Convolutions down by two and up again."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, stride=2),
        norm(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        norm(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 3, 4, 2, 1),
    )


def _noisy(count: int = 700) -> Split:
    data, g = photo_patches(12, count), torch.Generator().manual_seed(21)
    return data.on_inputs(lambda x: x + 0.15 * torch.randn(x.shape, generator=g))


@faulty(
    "learning-rate-too-high", also=("dead-units", "not-learning"), tags=("autoencoder", "cnn", "denoising", "real-data")
)
def denoiser_at_a_third(seed: int, fixed: bool) -> Setup:
    """A convolutional denoiser under Adam at 0.3: the first steps kill its rectifiers and what is left says
    one grey.
    """
    torch.manual_seed(seed)
    data = _noisy()
    return Setup(
        _denoiser(16), nn.MSELoss(), _adam(4e-3 if fixed else 0.3), data.train, data.valid, r2, batch_size=25, epochs=12
    )


class _Evaluating(nn.Sequential):
    """Stays in evaluation mode, as a wrapper for frozen backbones would."""

    def train(self, mode: bool = True) -> _Evaluating:
        return super().train(False)


@faulty("norm-wrong-mode", tags=("autoencoder", "norm", "real-data"), tier="real")
def trained_in_evaluation_mode(seed: int, fixed: bool) -> Setup:
    """`model.eval()` is never undone, so batch norm divides raw pixels by its starting deviation of 1."""
    torch.manual_seed(seed)
    data = _clothes(1000)
    scaled, shift = data.on_inputs(lambda x: 40 * x), (nn.Sequential if fixed else _Evaluating)
    model = shift(
        nn.BatchNorm1d(196),
        nn.Linear(196, 96),
        nn.BatchNorm1d(96),
        nn.Tanh(),
        nn.Linear(96, 24),
        nn.BatchNorm1d(24),
        nn.Tanh(),
        nn.Linear(24, 196),
    )
    return Setup(
        model,
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=2.0),
        scaled.train,
        scaled.valid,
        r2,
        batch_size=32,
        epochs=14,
    )


@faulty("missing-nonlinearity", also=("underfitting",), tags=("autoencoder", "real-data"))
def linear_through_a_needle(seed: int, fixed: bool) -> Setup:
    """Six linear layers with nothing between are one: through three units they copy no more than three
    principal components.
    """
    torch.manual_seed(seed)
    data = _written()
    model = _Hourglass([64, 96, 48, 3], nn.LeakyReLU if fixed else nn.Identity)
    return Setup(model, nn.MSELoss(), _adam(3e-3), data.train, data.valid, r2, batch_size=32, epochs=30)


class _Unet(nn.Module):
    """One step down, one up, one bridge."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down, self.inner = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 2 * width, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(2 * width, width, 2, 2), nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu(self.down(x))
        deep = F.relu(self.inner(F.max_pool2d(wide, 2)))
        return self.out(torch.cat([wide, F.relu(self.up(deep))], 1))


@faulty("label-range", also=("unscaled-targets", "wrong-loss"), tags=("segmentation", "cnn", "residual"), tier="real")
def masks_of_255(seed: int, fixed: bool) -> Setup:
    """Masks come from image files as 0 and 255 and go to binary cross-entropy as they are."""
    torch.manual_seed(seed)
    data = discs(20, 560)
    if not fixed:
        data = data.on_targets(lambda y: 255 * y)
    return Setup(_Unet(), nn.BCEWithLogitsLoss(), _adam(5e-3), data.train, data.valid, overlap, batch_size=20, epochs=8)


@faulty("class-imbalance", tags=("segmentation", "cnn"))
def five_pixels_of_four_hundred(seed: int, fixed: bool) -> Setup:
    """Dots cover one pixel in a hundred, and "nothing anywhere" is a good loss at once; weighted, the dots
    are found.
    """
    torch.manual_seed(seed)
    data = discs(20, 480, 1, 1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ELU(), nn.Conv2d(8, 8, 3, padding=1), nn.ELU(), nn.Conv2d(8, 1, 1)
    )

    def found(output: Tensor, target: Tensor) -> float:
        said, there = output > 0, target > 0.5
        right = (said & there).sum() / there.sum(), (~said & ~there).sum() / (~there).sum()
        return (sum(right) / 2).item()

    return Setup(
        model,
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor(60.0) if fixed else None),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        data.train,
        data.valid,
        found,
        batch_size=20,
        epochs=8,
    )


@faulty("shape-broadcast", tags=("segmentation", "cnn"), tier="real")
def channel_lost_from_the_mask(seed: int, fixed: bool) -> Setup:
    """Output (n, 1, h, w), mask (n, h, w): the difference is (n, n, h, w), every picture against everybody's mask."""
    torch.manual_seed(seed)
    data = discs(16, 640).on_targets(lambda y: y[:, 0])

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (torch.sigmoid(output.squeeze(1) if fixed else output) - target).abs().pow(1.5).mean()

    return Setup(_Unet(6), loss, _adam(6e-3), data.train, data.valid, overlap, batch_size=16, epochs=8)


@faulty("unscaled-inputs", also=("saturated-units", "bad-initialisation"), tags=("autoencoder", "real-data"))
def anomaly_scores_of_raw_columns(seed: int, fixed: bool) -> Setup:
    """An autoencoder of blood values in their own units, 0.01 to 4,000: one column fills the loss and the
    tanh units.
    """
    torch.manual_seed(seed)
    raw = table("breast_cancer")
    scaled = raw.standardised()
    data = scaled if fixed else raw

    def score(output: Tensor, target: Tensor) -> float:
        error = (output - target).square().mean(0) / target.var(0)
        return max(-1.0, 1 - error.clamp(max=2).mean().item())

    return Setup(
        _Hourglass([30, 20, 8], nn.Tanh),
        nn.MSELoss(),
        _adam(5e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        score,
        batch_size=16,
        epochs=25,
    )


@faulty("missing-zero-grad", tags=("autoencoder", "vae", "multi-loss", "real-data"))
def two_losses_never_cleared(seed: int, fixed: bool) -> Setup:
    """A loop of its own calls backward for each of two losses and steps, and forgot `zero_grad` when it was
    rewritten.
    """
    torch.manual_seed(seed)
    data = _written()
    model = _Variational(64, 48, 6)

    def update(m: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        if fixed:
            optimizer.zero_grad()
        picture = 10 * F.mse_loss(m(x), y)
        picture.backward(retain_graph=True)
        (0.01 * m.divergence.mean()).backward()
        optimizer.step()
        return picture.detach()

    return Setup(model, F.mse_loss, _adam(3e-3), data.train, data.valid, r2, batch_size=32, epochs=14, update=update)
