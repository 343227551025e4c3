"""Third series: autoencoders, likelihoods, learnt distances and several tasks at once, with one fault each."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, digits, fashion, table
from .._scores import accuracy, r2
from .._sequences import photo_patches

faulty = base.faulty
Optimizer = torch.optim.Optimizer


def _adam(rate: float) -> Callable[[nn.Module], Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate)


def _own(data: Split) -> Split:
    """Each input is its own target."""
    return Split(data.inputs, data.inputs, data.valid_inputs, data.valid_inputs)


def _ink() -> Split:
    """Digits as rows of 64 pixels, 0 to 1."""
    return table("digits").on_inputs(lambda pixels: pixels / 16)


class _Hourglass(nn.Module):
    """Convolutions down to a code and transposed ones up again."""

    def __init__(self, channels: int, last: nn.Module, width: int = 16) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), nn.SiLU(), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.SiLU()
        )
        self.up = nn.Sequential(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.SiLU())
        self.out = nn.Sequential(nn.ConvTranspose2d(width, channels, 4, 2, 1), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.up(self.down(x)))


@faulty("loss-output-mismatch", tags=("cnn", "autoencoder", "real-data"), tier="real")
def photographs_sigmoid_for_plus_minus_one(seed: int, fixed: bool) -> Setup:
    """Patches were scaled to -1 .. 1 for a tanh, and the decoder ends in a sigmoid: nothing dark can be drawn."""
    torch.manual_seed(seed)
    data = _own(photo_patches(16, 1000).on_inputs(lambda x: 2 * x - 1))
    model = _Hourglass(3, nn.Tanh() if fixed else nn.Sigmoid())
    return Setup(model, nn.MSELoss(), _adam(4e-3), *data.parts, r2, batch_size=25, epochs=5)


class _Embedded(nn.Module):
    """A picture as a point, on the sphere if asked for."""

    def __init__(self, size: int = 8, width: int = 8, *, unit: bool = False) -> None:
        super().__init__()
        side = (size - 4) ** 2
        self.net = nn.Sequential(nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten())
        self.head, self.unit = nn.Linear(16 * side, width), unit

    def forward(self, x: Tensor) -> Tensor:
        point = self.head(self.net(x))
        return F.normalize(point, dim=1) if self.unit else point


def _nearest(model: nn.Module, data: Split) -> Callable[[Tensor, Tensor], float]:
    """Share of pictures nearer to their own class's mean, as training pictures have it, than to another's."""

    def score(points: Tensor, kinds: Tensor) -> float:
        model.eval()
        with torch.no_grad():
            known = model(data.inputs)
        model.train()
        means = torch.stack([known[data.targets == kind].mean(0) for kind in range(10)])
        return accuracy(-torch.cdist(points, means), kinds)

    return score


@faulty("wrong-loss", also=("loss-output-mismatch", "not-learning"), tags=("cnn", "siamese", "real-data"), tier="real")
def digits_one_means_different(seed: int, fixed: bool) -> Setup:
    """The contrastive loss is a paper's, where 1 marks a pair of different things; here 1 marks alike ones."""
    torch.manual_seed(seed)
    data, model = digits(), _Embedded()

    def loss(points: Tensor, kinds: Tensor) -> Tensor:
        one, other = points.chunk(2)
        first, second = kinds.chunk(2)
        label = (first == second).float() if not fixed else (first != second).float()
        far = (one - other).square().sum(1).add(1e-8).sqrt()
        return ((1 - label) * far.square() + label * (2 - far).clamp(min=0).square()).mean()

    rows = len(data.inputs) // 2 * 2
    data = data.first(rows)
    return Setup(model, loss, _adam(1e-3), *data.parts, _nearest(model, data), batch_size=42, epochs=10)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch"), tags=("cnn", "siamese", "real-data"), tier="real")
def digits_nought_for_minus_one(seed: int, fixed: bool) -> Setup:
    """`cosine_embedding_loss` knows 1 and -1; different pairs are marked 0 and so ignored: all points fall together."""
    torch.manual_seed(seed)
    data = digits()
    model = _Embedded(width=12, unit=True)

    def loss(points: Tensor, kinds: Tensor) -> Tensor:
        alike = (kinds[:, None] == kinds).float()
        one, other = torch.triu_indices(len(kinds), len(kinds), 1)
        marks = alike[one, other]
        return F.cosine_embedding_loss(points[one], points[other], 2 * marks - 1 if fixed else marks, margin=0.2)

    return Setup(model, loss, _adam(1e-3), *data.parts, _nearest(model, data), batch_size=32, epochs=6)


class _Parts(nn.Module):
    """Codes and pictures made of parts that only add up."""

    def __init__(self, code: int = 24) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(64, code), nn.Linear(code, 64, bias=False)
        for layer in (self.encode, self.decode):
            nn.init.uniform_(layer.weight, 0, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(F.relu(self.encode(x)))


@faulty("dead-units", also=("not-learning", "bad-initialisation"), tags=("autoencoder", "real-data"))
def parts_held_on_the_wrong_side(seed: int, fixed: bool) -> Setup:
    """After each step weights are to be kept from going negative; `clamp_(max=0)` does the reverse and silences all."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for parameter in (model.encode.weight, model.decode.weight):
                if fixed:
                    parameter.clamp_(min=0)
                else:
                    parameter.clamp_(max=0)
        return loss.detach()

    data = _own(_ink())
    return Setup(_Parts(), nn.MSELoss(), _adam(5e-3), *data.parts, r2, batch_size=20, epochs=12, update=update)


class _Contractive(nn.Module):
    """One layer of sigmoids there, one linear layer back."""

    def __init__(self, code: int = 32) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(64, code), nn.Linear(code, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(torch.sigmoid(self.encode(x)))


@faulty(
    "over-regularised", also=("underfitting", "vanishing-gradient"), tags=("autoencoder", "contractive", "real-data")
)
def contracted_to_a_point(seed: int, fixed: bool) -> Setup:
    """The code's slope is penalised as a contractive autoencoder has it, with a weight of 10 for one of 0.0001."""
    torch.manual_seed(seed)
    model = _Contractive()

    def loss(found: Tensor, x: Tensor) -> Tensor:
        code = torch.sigmoid(model.encode(x))
        slope = ((code * (1 - code)).square() @ model.encode.weight.square().sum(1)).mean()
        return F.mse_loss(found, x) + (1e-4 if fixed else 10.0) * slope

    return Setup(model, loss, _adam(5e-3), *_own(_ink()).parts, r2, batch_size=25, epochs=10)


class _Variational(nn.Module):
    """A picture of 64 pixels to a Gaussian of a few dimensions and back; gives picture, mean and log-variance."""

    def __init__(self, width: int = 64, code: int = 6) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, 2 * code))
        self.back = nn.Sequential(nn.Linear(code, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, x: Tensor) -> Tensor:
        mean, logvar = self.into(x).chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * (0.5 * logvar).exp() if self.training else mean
        return torch.cat([self.back(drawn), mean, logvar], 1)


def _bound(output: Tensor, x: Tensor) -> Tensor:
    picture, (mean, logvar) = output[:, :64], output[:, 64:].chunk(2, 1)
    missed = F.mse_loss(picture, x, reduction="sum") / (2 * 0.15**2)
    return (missed + 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum()) / len(x)


def _drawn(output: Tensor, x: Tensor) -> float:
    return r2(output[:, :64], x)


@faulty("unsuited-optimizer", also=("diverged", "learning-rate-too-high"), tags=("autoencoder", "vae", "real-data"))
def curvature_of_a_lottery(seed: int, fixed: bool) -> Setup:
    """L-BFGS on a variational bound: each look at the loss draws new noise on a new batch, and curvature is guessed."""
    torch.manual_seed(seed)
    model = _Variational()

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = _bound(model(inputs), targets)
            loss.backward()
            return loss

        return optimizer.step(closure).detach()

    def optimizer(model: nn.Module) -> Optimizer:
        if fixed:
            return torch.optim.Adam(model.parameters(), lr=5e-3)
        return torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5, history_size=10)

    return Setup(model, _bound, optimizer, *_own(_ink()).parts, _drawn, batch_size=32, epochs=12, update=update)


@faulty("overfitting", tags=("autoencoder", "denoising", "real-data"))
def noise_drawn_once(seed: int, fixed: bool) -> Setup:
    """Sixty noisy pictures were written to disk, noise and all: a wide net knows them by heart after a while."""
    torch.manual_seed(seed)
    clean = _ink()
    g = torch.Generator().manual_seed(269)
    data = _own(clean).on_inputs(lambda x: x + 0.3 * torch.randn(x.shape, generator=g))
    if not fixed:
        data = data.first(60)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64))
    epochs, size = (12, 32) if fixed else (120, 15)
    return Setup(model, nn.MSELoss(), _adam(1e-3), *data.parts, r2, batch_size=size, epochs=epochs)


class _Halves(nn.Module):
    """The lower half of a garment from its upper half, through a code."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__()
        self.see = nn.Sequential(nn.Conv2d(1, 12, 4, 2, 1), nn.ELU(), nn.Conv2d(12, 4, 4, 2, 1), nn.ELU(), nn.Flatten())
        self.code, self.kept = nn.Linear(84, 16), kept
        self.draw = nn.Sequential(nn.ELU(), nn.Linear(16, 128), nn.ELU(), nn.Linear(128, 392))

    def forward(self, x: Tensor) -> Tensor:
        code = self.code(self.see(x))
        if not self.kept:
            code = torch.tensor(code.tolist())
        return self.draw(code)


@faulty("unreached-parameters", also=("underfitting",), tags=("cnn", "autoencoder", "real-data"), tier="real")
def code_through_a_list(seed: int, fixed: bool) -> Setup:
    """The code is made into a list to be logged and back into a tensor: the encoder never hears of its mistakes."""
    torch.manual_seed(seed)
    data = fashion(1300)
    halves = [(x[:, :, :14], x[:, 0, 14:].flatten(1)) for x in (data.inputs, data.valid_inputs)]
    data = Split(*halves[0], *halves[1])
    return Setup(_Halves(kept=fixed), nn.MSELoss(), _adam(2e-3), *data.parts, r2, batch_size=25, epochs=7)


@faulty("unscaled-targets", also=("exploding-gradient", "diverged"), tags=("autoencoder", "multi-task", "real-data"))
def area_of_a_tumour_beside_its_kind(seed: int, fixed: bool) -> Setup:
    """Two heads over one code: benign or not in nats, and the worst area, 200 to 4,000: it drowns the other."""
    torch.manual_seed(seed)
    data = table("breast_cancer")
    area = [x[:, 23:24] for x in (data.inputs, data.valid_inputs)]
    inputs = data.standardised().on_inputs(lambda x: x[:, :20])
    mean, std = (area[0].mean(), area[0].std()) if fixed else (0.0, 1.0)
    targets = [torch.cat([y[:, None].float(), (a - mean) / std], 1) for y, a in zip(data[1::2], area, strict=True)]
    data = Split(inputs.inputs, targets[0], inputs.valid_inputs, targets[1])
    body = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2))

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        kind = F.binary_cross_entropy_with_logits(output[:, 0], wanted[:, 0])
        return kind + F.mse_loss(output[:, 1], wanted[:, 1])

    def score(output: Tensor, wanted: Tensor) -> float:
        return 0.5 * ((output[:, 0] > 0) == (wanted[:, 0] > 0.5)).float().mean().item() + 0.5 * max(
            r2(output[:, 1], wanted[:, 1]), 0.0
        )

    return Setup(body, loss, _adam(5e-3), *data.parts, score, batch_size=16, epochs=20)
