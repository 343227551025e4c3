"""Third series: convolutional and residual nets on pictures, with one fault each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, cut, digits, fashion, fashion_raw
from .._scores import accuracy, binary_accuracy, r2

faulty = base.faulty


def _adam(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)


def _sgd(rate: float, momentum: float = 0.9) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)


@cache
def _scenes(size: int = 14, count: int = 1400) -> Split:
    """Grey cut-outs (n, 1, size, size), each at mean 0 and deviation 1: the roof of a temple (0) or a flower (1)."""
    g = torch.Generator().manual_seed(211)
    photos = [torch.tensor(datasets.load_sample_image(name)).float().mean(2) for name in ("china.jpg", "flower.jpg")]
    kind, found = torch.randint(0, 2, (count,), generator=g), []
    for label in kind.tolist():
        top, left = (int(torch.randint(0, side - 2 * size, (1,), generator=g)) for side in photos[label].shape)
        part = photos[label][top : top + 2 * size : 2, left : left + 2 * size : 2]
        found.append((part - part.mean()) / part.std().clamp(min=3))
    return cut(torch.stack(found).unsqueeze(1), kind)


@cache
def _cells(size: int = 22, count: int = 1500) -> Split:
    """A round cell on a noisy slide (n, 1, size, size) and its middle (n, 2), in shares of the side, 0 to 1."""
    g = torch.Generator().manual_seed(223)
    middle, width = 0.15 + 0.7 * torch.rand(count, 2, generator=g), 0.06 + 0.05 * torch.rand(count, generator=g)
    line = (torch.arange(size) + 0.5) / size
    down, across = line[None, :, None] - middle[:, :1, None], line[None, None] - middle[:, 1:, None]
    x = torch.exp(-(down.square() + across.square()) / (2 * width[:, None, None].square()))
    return cut((2 * x + 0.4 * torch.randn(x.shape, generator=g)).unsqueeze(1), middle)


@cache
def _turned() -> Split:
    """Digits at four turns, the upright ones first and those at 270 degrees last in the training part."""
    data = digits()
    quarter = len(data.inputs) // 4
    parts = [torch.rot90(part, turn, (2, 3)) for turn, part in enumerate(data.inputs[: 4 * quarter].split(quarter))]
    rest = [torch.rot90(data.valid_inputs, turn, (2, 3)) for turn in range(4)]
    return Split(torch.cat(parts), data.targets[: 4 * quarter], torch.cat(rest), data.valid_targets.repeat(4))


def _conv(inward: int, outward: int, **options: int) -> nn.Sequential:
    options = {"padding": 1, **options}
    return nn.Sequential(nn.Conv2d(inward, outward, 3, bias=False, **options), nn.BatchNorm2d(outward), nn.ReLU())


class _Bounded(nn.Module):
    """Four convolutions, each result held between two bounds, and the mean over the picture."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, padding_mode="circular") for a, b in pairwise((1, 12, 16, 16, 24))
        )
        self.head, self.bounds = nn.Linear(24, 2), (low, high)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = torch.clamp(conv(x), *self.bounds)
        return self.head(x.mean((2, 3)))


@faulty("missing-nonlinearity", also=("underfitting", "not-learning"), tags=("cnn", "classification", "real-data"))
def scenes_bounds_never_met(seed: int, fixed: bool) -> Setup:
    """`clamp(-6, 6)` was to be the ReLU6 of a mobile net, but nothing ever comes near -6: all layers are linear."""
    torch.manual_seed(seed)
    model = _Bounded(0.0 if fixed else -6.0, 6.0)
    return Setup(model, nn.CrossEntropyLoss(), _adam(4e-3), *_scenes().parts, accuracy, batch_size=32, epochs=8)


class _Stages(nn.Module):
    """A stem, stages of equal width, a head."""

    def __init__(self, *, chained: bool, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 1)
        self.stages = nn.ModuleList(nn.Sequential(nn.GroupNorm(4, 16), nn.SiLU(), _same(16)) for _ in range(5))
        self.head, self.chained = nn.Linear(16, classes), chained

    def forward(self, x: Tensor) -> Tensor:
        x = out = self.stem(x)
        for stage in self.stages:
            out = (out if self.chained else x) + stage(out if self.chained else x)
        return self.head(F.silu(out).mean((2, 3)))


def _same(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1)


@faulty("unreached-parameters", also=("underfitting",), tags=("cnn", "residual", "classification", "real-data"))
def scenes_every_stage_reads_the_stem(seed: int, fixed: bool) -> Setup:
    """`for stage in stages: out = x + stage(x)`: each stage overwrites what the one before it found."""
    torch.manual_seed(seed)
    data = _scenes()
    return Setup(
        _Stages(chained=fixed, classes=2), nn.CrossEntropyLoss(), _adam(3e-3), *data.parts, accuracy, 32, epochs=8
    )


@faulty("frozen-parameters", also=("underfitting",), tags=("cnn", "distillation", "real-data"), tier="real")
def clothes_teacher_is_the_student(seed: int, fixed: bool) -> Setup:
    """The teacher of a running mean was to be frozen, but it is no copy: with it the student's body froze."""
    torch.manual_seed(seed)
    widths = pairwise((1, 12, 16, 24))
    body = nn.Sequential(*(_conv(a, b, stride=2) for a, b in widths), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    teacher = copy.deepcopy(body) if fixed else body
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    model, crop = nn.Sequential(body, nn.Linear(24, 10)), torch.Generator().manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        shifted = inputs.roll(int(torch.randint(-2, 3, (1,), generator=crop)), 3)
        features = body(shifted)
        with torch.no_grad():
            wanted = teacher(inputs)
        loss = F.cross_entropy(model[1](features), targets) + 0.1 * F.mse_loss(features, wanted)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), body.parameters(), strict=True):
                old.lerp_(new, 0.05)
        return loss.detach()

    return Setup(model, nn.CrossEntropyLoss(), _adam(4e-3), *fashion(1500).parts, accuracy, 20, 6, update=update)


@faulty("norm-batch-too-small", also=("not-learning", "unreached-parameters"), tags=("cnn", "norm", "real-data"))
def digits_groups_of_one_value(seed: int, fixed: bool) -> Setup:
    """A group norm with a group for every channel stands behind the global pooling: a lone value less itself is 0."""
    torch.manual_seed(seed)
    norm = nn.GroupNorm(4 if fixed else 32, 32)
    pooled = (nn.AdaptiveAvgPool2d(1), norm, nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), *pooled)
    return Setup(model, nn.CrossEntropyLoss(), _sgd(0.05), *digits().parts, accuracy, batch_size=24, epochs=8)


class _Averaged(nn.Module):
    """A net to train, and the running mean of its weights to answer with."""

    def __init__(self, net: nn.Module, *, buffers: bool) -> None:
        super().__init__()
        self.net, self.mean, self.buffered = net, copy.deepcopy(net).requires_grad_(False), buffers

    @torch.no_grad()
    def follow(self) -> None:
        """Bring the mean nearer to the net."""
        for old, new in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            old.lerp_(new, 0.05)
        if self.buffered:
            for old, new in zip(self.mean.buffers(), self.net.buffers(), strict=True):
                old.copy_(new)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) if self.training else self.mean(x)


@faulty("norm-wrong-mode", tags=("cnn", "norm", "classification", "real-data"), tier="real")
def clothes_average_without_statistics(seed: int, fixed: bool) -> Setup:
    """The running mean of the weights answers, and its batch norms still hold mean 0 and variance 1."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        _conv(1, 12), nn.MaxPool2d(2), _conv(12, 24), nn.MaxPool2d(2), _conv(24, 24), nn.Flatten(), nn.Linear(1176, 10)
    )
    wrapped = _Averaged(net, buffers=fixed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        wrapped.follow()
        return loss.detach()

    data = fashion_raw(1400).on_inputs(lambda pixels: pixels / 64)
    return Setup(wrapped, nn.CrossEntropyLoss(), _adam(2e-3), *data.parts, accuracy, 32, 4, update=update)


@faulty(
    "unscaled-inputs", also=("not-learning", "dead-units", "exploding-gradient", "diverged"), tags=("cnn", "real-data")
)
def digits_of_sixteen_bits(seed: int, fixed: bool) -> Setup:
    """A scanner writes 16 bits a pixel and the reader hands on 0 to 65,535 as they are."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda pixels: pixels if fixed else (pixels * 6 + 4.9) * 4095)
    model = nn.Sequential(
        nn.Conv2d(1, 10, 3), nn.ELU(), nn.Conv2d(10, 20, 3, stride=2), nn.ELU(), nn.Flatten(), nn.Linear(80, 10)
    )
    return Setup(model, nn.CrossEntropyLoss(), _sgd(0.02), *data.parts, accuracy, batch_size=20, epochs=6)


def _pointer(activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inward, outward in pairwise((1, 8, 12, 16)):
        layers += [nn.Conv2d(inward, outward, 3, stride=2, padding=1), activation()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 2))


@faulty("unscaled-targets", also=("learning-rate-too-low", "underfitting"), tags=("cnn", "regression", "keypoints"))
def cells_in_pixels_of_the_slide(seed: int, fixed: bool) -> Setup:
    """The slide was shrunk to 22 x 22, its marks are still in the pixels of the scan, 0 to 4,000."""
    torch.manual_seed(seed)
    data = _cells().on_targets(lambda middle: middle if fixed else 4000 * middle)
    return Setup(_pointer(), nn.SmoothL1Loss(), _adam(2e-3), *data.parts, r2, batch_size=25, epochs=8)


@faulty("shape-broadcast", also=("underfitting",), tags=("cnn", "regression", "keypoints"), tier="real")
def cells_one_mark_each_in_a_list(seed: int, fixed: bool) -> Setup:
    """The marking tool stores a list of points, so targets are (n, 1, 2): every guess is held against all marks."""
    torch.manual_seed(seed)
    data = _cells()

    def loss(found: Tensor, marks: Tensor) -> Tensor:
        marks = marks.unsqueeze(1)
        return (found - (marks.squeeze(1) if fixed else marks)).square().mean()

    return Setup(_pointer(nn.GELU), loss, _adam(3e-3), *data.parts, r2, batch_size=40, epochs=10)


@faulty("non-finite-data", also=("diverged",), tags=("cnn", "classification", "real-data"), tier="real")
def clothes_a_black_picture_by_its_deviation(seed: int, fixed: bool) -> Setup:
    """Every picture is divided by its own deviation; three came out of a broken file, black all over: 0 / 0."""
    torch.manual_seed(seed)
    data = fashion_raw(1500)
    pixels = data.inputs.clone()
    pixels[[310, 777, 1200]] = 0

    def own(x: Tensor) -> Tensor:
        mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
        return (x - mean) / (std + (1e-3 if fixed else 0.0))

    model = nn.Sequential(
        nn.Conv2d(1, 10, 5, stride=2),
        nn.LeakyReLU(0.1),
        nn.Conv2d(10, 20, 3, stride=2),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(500, 10),
    )
    data = data._replace(inputs=pixels).on_inputs(own)
    return Setup(model, nn.CrossEntropyLoss(), _sgd(0.03), *data.parts, accuracy, batch_size=30, epochs=5)


@faulty("unshuffled-data", tags=("cnn", "classification", "augmentation", "real-data"))
def digits_upright_first_then_on_their_sides(seed: int, fixed: bool) -> Setup:
    """The turned copies of each quarter were appended turn by turn; the loop keeps that order and forgets the first."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 48),
        nn.Tanh(),
        nn.Linear(48, 10),
    )
    return Setup(
        model, nn.CrossEntropyLoss(), _sgd(0.05), *_turned().parts, accuracy, batch_size=16, epochs=6, shuffle=fixed
    )


class _Cosines(nn.Module):
    """A clothes net whose scores are cosines with a learnt direction for each class, times a scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 12, 5, 2), nn.ReLU(), nn.Conv2d(12, 24, 5, 2), nn.ReLU(), nn.Flatten())
        self.point, self.directions, self.scale = nn.Linear(384, 32), nn.Parameter(torch.randn(10, 32)), scale

    def forward(self, x: Tensor) -> Tensor:
        point = F.normalize(self.point(self.body(x)), dim=1)
        return self.scale * point @ F.normalize(self.directions, dim=1).T


@faulty("loss-at-start", also=("exploding-gradient", "learning-rate-too-high"), tags=("cnn", "metric", "real-data"))
def clothes_cosines_times_a_thousand(seed: int, fixed: bool) -> Setup:
    """Cosines are multiplied by 1,000 where 16 was meant: the loss starts at some hundreds, for mere guesses."""
    torch.manual_seed(seed)
    model = _Cosines(16.0 if fixed else 1000.0)
    return Setup(model, nn.CrossEntropyLoss(), _sgd(0.01), *fashion(1500).parts, accuracy, batch_size=25, epochs=5)


@faulty("learning-rate-too-high", also=("diverged", "not-learning"), tags=("cnn", "residual", "real-data"))
def digits_rate_times_the_batch(seed: int, fixed: bool) -> Setup:
    """The rule says 0.1 for a batch of 256 and in proportion otherwise; this is 0.1 times the batch."""
    torch.manual_seed(seed)
    batch = 64
    model = _Stages(chained=True)
    rate = 0.1 * batch / 256 if fixed else 0.1 * batch
    return Setup(model, nn.CrossEntropyLoss(), _sgd(rate), *digits().parts, accuracy, batch_size=batch, epochs=20)


@faulty("vanishing-gradient", also=("bad-initialisation", "not-learning"), tags=("cnn", "deep", "real-data"))
def scenes_plain_net_of_twenty_layers(seed: int, fixed: bool) -> Setup:
    """A plain net of twenty convolutions, torch's weights and no norm: the signal is halved at every layer."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.ReLU()]
    for _ in range(19):
        layers += [_same(12), *([nn.BatchNorm2d(12)] if fixed else []), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2))
    return Setup(model, nn.CrossEntropyLoss(), _adam(2e-3), *_scenes().parts, accuracy, batch_size=35, epochs=6)


@faulty("underfitting", tags=("cnn", "classification", "real-data"))
def scenes_kernels_of_one(seed: int, fixed: bool) -> Setup:
    """All kernels are 1 x 1, so the net knows the shades of a texture but never sees two pixels together."""
    torch.manual_seed(seed)
    size = 3 if fixed else 1
    layers: list[nn.Module] = []
    for inward, outward in pairwise((1, 16, 24, 24)):
        layers += [nn.Conv2d(inward, outward, size), nn.BatchNorm2d(outward), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2))
    return Setup(model, nn.CrossEntropyLoss(), _adam(3e-3), *_scenes().parts, accuracy, batch_size=40, epochs=8)


class _Asked(nn.Module):
    """A digit and a question (the last column) about it: is it even, is it at least five, has it a loop?"""

    def __init__(self, *, late: bool, width: int = 48) -> None:
        super().__init__()
        self.look, self.ask = nn.Conv2d(1, 12, 3), nn.Embedding(3, width)
        self.mix, self.norm, self.late = nn.Linear(432, width), nn.BatchNorm1d(width), late
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        pixels, question = x[:, :64].view(-1, 1, 8, 8), self.ask(x[:, 64].long())
        mixed = self.mix(F.relu(self.look(pixels)).flatten(1))
        return self.head(self.norm(mixed) + question if self.late else self.norm(mixed + question))


@faulty("bias-before-norm", also=("unreached-parameters", "underfitting"), tags=("cnn", "multi-task", "real-data"))
def digits_one_question_a_batch(seed: int, fixed: bool) -> Setup:
    """A batch asks one question, a shift before a batch norm: there it is a constant, and the norm removes it."""
    torch.manual_seed(seed)
    data, found = digits(), []
    for x, y in data.parts:
        kept = len(x) // 24 * 24
        question = (torch.arange(kept) // 24 % 3).repeat_interleave(1)
        answers = torch.stack([y % 2 == 0, y >= 5, (y == 0) | (y == 6) | (y == 8) | (y == 9)], 1)[:kept]
        found += [torch.cat([x[:kept].flatten(1), question[:, None].float()], 1)]
        found += [answers.gather(1, question[:, None]).float()]
    model = _Asked(late=fixed)
    return Setup(
        model, nn.BCEWithLogitsLoss(), _adam(2e-3), *Split(*found).parts, binary_accuracy, 24, 10, shuffle=False
    )
