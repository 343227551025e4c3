"""Later series, healthy: ordinary deep nets on pictures, text, code and series, as tutorials and papers build them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR

from .._base import Setup, healthy
from .._data import digits, fashion, fashion_raw, shapes, source_tags, waves
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import scaled_consumption, sign_accuracy
from .later_image_faults import _class_overlap, _figure, _overlap, _SmallUNet
from .later_sequence_faults import _each, _Last, _rare_saws, _Tagger, _wave_net


def _by(kind: type[torch.optim.Optimizer], rate: float, **options: object) -> Callable[..., torch.optim.Optimizer]:
    return lambda model: kind((p for p in model.parameters() if p.requires_grad), lr=rate, **options)


def _one_cycle(rate: float) -> Callable[[torch.optim.Optimizer, int], OneCycleLR]:
    return lambda optimizer, updates: OneCycleLR(optimizer, rate, total_steps=updates + 1)


def _conv(inward: int, outward: int, *, stride: int = 1, groups: int = 1, size: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inward, outward, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outward), nn.ReLU())


class _Residual(nn.Module):
    """`x + f(x)`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


@healthy(tags=("cnn", "segmentation", "unet"))
def squares_and_crosses_by_dice(seed: int) -> Setup:
    """A U-Net under cross-entropy plus one minus the Dice coefficient, AdamW on one cycle."""
    torch.manual_seed(seed)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        found, wanted = logits.softmax(1)[:, 1:], F.one_hot(labels, 3).permute(0, 3, 1, 2)[:, 1:]
        shared, sizes = (found * wanted).sum((0, 2, 3)), (found + wanted).sum((0, 2, 3))
        return F.cross_entropy(logits, labels) + 1 - ((2 * shared + 1) / (sizes + 1)).mean()

    schedule, data = _one_cycle(0.01), shapes(16, 900)
    return Setup(
        _SmallUNet(12), loss, _by(torch.optim.AdamW, 1e-3), *data.parts, _class_overlap, 24, 8, schedule=schedule
    )


@healthy(tags=("cnn", "segmentation", "imbalance"))
def crosses_by_focal_loss(seed: int) -> Setup:
    """Rare pixels under the focal loss, with the prior in the bias of the last layer."""
    torch.manual_seed(seed)
    model = nn.Sequential(_conv(1, 12), _conv(12, 16), _conv(16, 16), nn.Conv2d(16, 1, 1))
    nn.init.constant_(model[-1].bias, -2.0)

    def focal(logits: Tensor, wanted: Tensor) -> Tensor:
        plain = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return 4 * ((1 - (-plain).exp()).square() * plain).mean()

    return Setup(model, focal, _by(torch.optim.Adam, 6e-3), *_figure(shapes(16, 900)).parts, _overlap, 20, 8)


@healthy(tags=("residual", "cnn", "classification", "real-data"))
def clothes_resnet_nesterov(seed: int) -> Setup:
    """A small residual net: Nesterov momentum, weight decay, one cycle, smoothed labels, batches of 64."""
    torch.manual_seed(seed)
    blocks = [_Residual(_conv(16, 16), nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)) for _ in "ab"]
    model = nn.Sequential(
        _conv(1, 16, stride=2),
        *blocks,
        _conv(16, 32, stride=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    optimizer = _by(torch.optim.SGD, 0.02, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss, schedule = nn.CrossEntropyLoss(label_smoothing=0.1), _one_cycle(0.2)
    return Setup(model, loss, optimizer, *fashion(1500).parts, accuracy, 64, 7, schedule=schedule)


@healthy(tags=("cnn", "classification", "real-data"))
def depthwise_and_pointwise(seed: int) -> Setup:
    """Depthwise separable convolutions with batch norm under RMSprop, as in nets for phones."""
    torch.manual_seed(seed)
    pairs = [nn.Sequential(_conv(a, a, groups=a), _conv(a, b, size=1)) for a, b in pairwise((16, 32, 48))]
    model = nn.Sequential(
        _conv(1, 16), *pairs, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(192, 10)
    )
    return Setup(model, nn.CrossEntropyLoss(), _by(torch.optim.RMSprop, 2e-3), *digits().parts, accuracy, 32, 6)


class _Branches(nn.Module):
    """Filters of three sizes side by side."""

    def __init__(self, inward: int, each: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(nn.Conv2d(inward, each, size, padding=size // 2) for size in (1, 3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(torch.cat([side(x) for side in self.sides], 1))


@healthy(tags=("cnn", "classification", "real-data"))
def filters_of_three_sizes(seed: int) -> Setup:
    """Two inception-like stages without any norm, ELU, pixels in 0..1, Adam at 0.002."""
    torch.manual_seed(seed)
    body = (nn.AvgPool2d(2), _Branches(1, 6), nn.MaxPool2d(2), _Branches(18, 8), nn.MaxPool2d(2), nn.Flatten())
    data = fashion_raw(1400).on_inputs(lambda x: x / 255)
    model = nn.Sequential(*body, nn.Linear(216, 10))
    return Setup(model, nn.CrossEntropyLoss(), _by(torch.optim.Adam, 4e-3), *data.parts, accuracy, 32, 8)


@healthy(tags=("cnn", "classification", "norm", "small-batch", "real-data"))
def group_norm_in_eights(seed: int) -> Setup:
    """Group norm, batches of eight, SGD whose rate falls by ten at half and at three quarters of the run."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inward, outward, stride in ((1, 16, 1), (16, 24, 2), (24, 32, 2)):
        layers += [nn.Conv2d(inward, outward, 3, stride, 1), nn.GroupNorm(4, outward), nn.LeakyReLU(0.1)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))
    optimizer = _by(torch.optim.SGD, 0.02, momentum=0.9)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        *digits().parts,
        accuracy,
        8,
        4,
        schedule=lambda o, n: MultiStepLR(o, [n // 2, 3 * n // 4]),
    )


@healthy(tags=("cnn", "transfer", "classification", "real-data"))
def new_head_on_a_seen_body(seed: int) -> Setup:
    """A body that learnt six kinds of clothes is frozen, and a head for the other four is trained on it alone."""
    torch.manual_seed(seed)
    data = fashion(2000)
    body = nn.Sequential(nn.Conv2d(1, 16, 5, 2), nn.ReLU(), nn.Conv2d(16, 24, 3, 2), nn.ReLU(), nn.Flatten())
    before = nn.Sequential(body, nn.Linear(600, 6))
    optimizer = torch.optim.Adam(before.parameters(), lr=2e-3)
    for part in (data.targets < 6).nonzero()[:, 0].repeat(4).split(32):
        optimizer.zero_grad()
        F.cross_entropy(before(data.inputs[part]), data.targets[part]).backward()
        optimizer.step()
    (x, y), (rest, wanted) = ((x[y > 5], y[y > 5] - 6) for x, y in data.parts)
    model = nn.Sequential(body.requires_grad_(False), nn.Linear(600, 4))
    return Setup(model, nn.CrossEntropyLoss(), _by(torch.optim.Adam, 2e-3), (x, y), (rest, wanted), accuracy, 32, 6)


@healthy(tags=("cnn", "metric", "contrastive", "series"))
def waves_by_contrast(seed: int) -> Setup:
    """Windows of one form are drawn together and away from the others; the score asks for the nearest neighbour."""
    torch.manual_seed(seed)
    data = waves(noise=0.15).on_targets(lambda y: y[:, 0].long())

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        codes, self_ = F.normalize(model(x), dim=1), torch.eye(len(x), dtype=torch.bool)
        chance = (codes @ codes.T / 0.2).masked_fill(self_, -1e4).log_softmax(1)
        loss = -chance[(y[:, None] == y[None]) & ~self_].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def nearest(output: Tensor, target: Tensor) -> float:
        near = torch.cdist(F.normalize(output, dim=1), F.normalize(output, dim=1)).fill_diagonal_(9).argmin(1)
        return (target[near] == target).float().mean().item()

    return Setup(_wave_net(16), nn.MSELoss(), _by(torch.optim.Adam, 3e-3), *data.parts, nearest, 48, 12, update=update)


@healthy(tags=("cnn", "classification", "imbalance", "series"))
def rare_saws_weighted(seed: int) -> Setup:
    """A class of one in thirty, weighted by its rarity to the half; AdamW and a cosine."""
    torch.manual_seed(seed)
    data = _rare_saws(waves(40, 2400, noise=0.3))
    weight = (len(data.targets) / torch.bincount(data.targets)).sqrt()
    schedule = lambda o, n: CosineAnnealingLR(o, n)  # noqa: E731
    optimizer, loss = _by(torch.optim.AdamW, 3e-3, weight_decay=0.02), nn.CrossEntropyLoss(weight)
    return Setup(_wave_net(2, 12), loss, optimizer, *data.parts, balanced_accuracy, 32, 8, schedule=schedule)


@healthy(tags=("recurrent", "tagging", "real-data"))
def kinds_of_signs_by_gru(seed: int) -> Setup:
    """A bidirectional GRU tags the signs of source code; Adam, gradients clipped at 1."""
    torch.manual_seed(seed)
    data, signs = source_tags(24, 2800)
    loss, optimizer = _each(nn.CrossEntropyLoss()), _by(torch.optim.Adam, 8e-3)
    return Setup(_Tagger(signs, 28), loss, optimizer, *data.parts, sign_accuracy, 32, 4, clip=1.0)


class _Next(nn.Module):
    """The sign that follows, from an LSTM over those before it."""

    def __init__(self, signs: int) -> None:
        super().__init__()
        self.look, self.rest = nn.Embedding(signs, 32), nn.Dropout(0.1)
        self.read, self.out = nn.LSTM(32, 96, batch_first=True), nn.Linear(96, signs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rest(self.read(self.look(x))[0]))


@healthy(tags=("recurrent", "lm", "real-data"))
def source_code_sign_by_sign(seed: int) -> Setup:
    """An LSTM writes source code: AdamW at 0.008, cosine, clipping, a little dropout."""
    torch.manual_seed(seed)
    data, signs = source_tags(33, 2400)
    train, valid = ((x[:, :-1], x[:, 1:]) for x in (data.inputs, data.valid_inputs))
    schedule = lambda o, n: CosineAnnealingLR(o, n)  # noqa: E731
    loss, optimizer = _each(nn.CrossEntropyLoss()), _by(torch.optim.AdamW, 8e-3)
    return Setup(_Next(signs), loss, optimizer, train, valid, sign_accuracy, 32, 5, clip=1.0, schedule=schedule)


@healthy(tags=("recurrent", "regression", "quantile", "series"))
def tenth_half_and_nine_tenths(seed: int) -> Setup:
    """A GRU says three quantiles of the next hour under the pinball loss; the middle one is scored."""
    torch.manual_seed(seed)
    level = torch.tensor([0.1, 0.5, 0.9])

    def pinball(output: Tensor, target: Tensor) -> Tensor:
        return torch.maximum(level * (target - output), (level - 1) * (target - output)).mean()

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output[:, 1:2], target)

    model, optimizer = _Last(nn.GRU(1, 32, batch_first=True), nn.Linear(32, 3)), _by(torch.optim.NAdam, 5e-3)
    return Setup(model, pinball, optimizer, *scaled_consumption(24, 1200).parts, score, 32, 8)


@healthy(tags=("cnn", "classification", "large-batch", "real-data"))
def batches_of_256(seed: int) -> Setup:
    """A wide batch of digits with AdamW at 0.01, which warms up over a tenth of the run and then falls to nothing."""
    torch.manual_seed(seed)
    model = nn.Sequential(_conv(1, 24), nn.MaxPool2d(2), _conv(24, 32), nn.Flatten(), nn.Linear(512, 10))
    loss, schedule = nn.CrossEntropyLoss(), _one_cycle(0.01)
    return Setup(model, loss, _by(torch.optim.AdamW, 1e-3), *digits().parts, accuracy, 256, 14, schedule=schedule)


@healthy(tags=("cnn", "classification", "end-of-training", "real-data"))
def last_epochs_of_a_run(seed: int) -> Setup:
    """The end of a training: ten epochs are behind the net, and four more follow at a hundredth of the rate."""
    torch.manual_seed(seed)
    data = digits()
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.GELU(), nn.Conv2d(16, 24, 3, 2), nn.GELU(), nn.Flatten())
    model.append(nn.Linear(96, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for part in torch.arange(len(data.inputs)).repeat(10).split(40):
        optimizer.zero_grad()
        F.cross_entropy(model(data.inputs[part]), data.targets[part]).backward()
        optimizer.step()
    return Setup(model, nn.CrossEntropyLoss(), _by(torch.optim.Adam, 4e-5), *data.parts, accuracy, 40, 4)
