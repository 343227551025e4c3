"""Later series: convolutional and residual nets, on pictures and pixel by pixel, with one fault each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, fashion, shapes
from .._scores import accuracy, r2


def _adam(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)


def _sgd(rate: float, momentum: float = 0.9) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)


def _class_overlap(output: Tensor, target: Tensor) -> float:
    """Intersection over union of square and cross, averaged."""
    found = output.argmax(1)
    both = [((found == k) & (target == k)).sum() / ((found == k) | (target == k)).sum().clamp(min=1) for k in (1, 2)]
    return (sum(both) / 2).item()


def _figure(data: Split) -> Split:
    """Is a pixel part of the cross? As a mask of 0 and 1, (n, 1, h, w)."""
    return data.on_targets(lambda labels: (labels == 2).float().unsqueeze(1))


def _overlap(output: Tensor, target: Tensor) -> float:
    found, wanted = output > 0, target > 0.5
    return ((found & wanted).sum() / (found | wanted).sum().clamp(min=1)).item()


def _block(inward: int, outward: int, norm: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(inward, outward, 3, padding=1, bias=not norm)]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outward)] if norm else []), nn.ReLU())


@faulty("bias-before-norm", also=("loss-output-mismatch",), tags=("cnn", "segmentation"))
def mask_logits_normalised(seed: int, fixed: bool) -> Setup:
    """A batch norm closes a net for rare pixels: it takes away the last bias, so logits stay at mean 0, deviation 1."""
    torch.manual_seed(seed)
    layers = [_block(1, 12), _block(12, 16), _block(16, 16), nn.Conv2d(16, 1, 1)]
    if not fixed:
        layers.append(nn.BatchNorm2d(1, affine=False))
    data = _figure(shapes(16))
    return Setup(
        nn.Sequential(*layers),
        nn.BCEWithLogitsLoss(),
        _adam(5e-3),
        *data.parts,
        _overlap,
        batch_size=20,
        epochs=10,
    )


@faulty("norm-batch-too-small", tags=("cnn", "regression", "norm"))
def area_normed_over_two_pictures(seed: int, fixed: bool) -> Setup:
    """Each picture is pooled to a vector and batch-normed with one other picture: every value becomes 1 or -1."""
    torch.manual_seed(seed)
    data = shapes(16, 1000)
    areas = [(y > 0).float().mean((1, 2)).unsqueeze(1) for _, y in data.parts]
    mean, std = areas[0].mean(0), areas[0].std(0)
    data = data._replace(targets=(areas[0] - mean) / std, valid_targets=(areas[1] - mean) / std)
    norm = nn.Identity() if fixed else nn.BatchNorm1d(20)
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm, nn.ReLU(), nn.Linear(20, 1))
    model = nn.Sequential(_block(1, 12, False), nn.MaxPool2d(2), _block(12, 20, False), *pooled)
    return Setup(model, nn.MSELoss(), _adam(2e-3), *data.parts, r2, batch_size=2, epochs=4)


class _Functional(nn.Module):
    """Convolutions with batch norm by functional calls, over buffers of the module's own."""

    def __init__(self, training: bool) -> None:
        super().__init__()
        widths = [1, 12, 12, 16, 16, 16, 16]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths))
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(b)) for b in widths[1:])
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(b)) for b in widths[1:])
        for number, width in enumerate(widths[1:]):
            self.register_buffer(f"mean{number}", torch.zeros(width))
            self.register_buffer(f"var{number}", torch.ones(width))
        self.head, self.passes = nn.Linear(16, 10), training

    def forward(self, x: Tensor) -> Tensor:
        for number, (conv, scale, shift) in enumerate(zip(self.convs, self.scales, self.shifts, strict=True)):
            kept = (getattr(self, f"mean{number}"), getattr(self, f"var{number}"))
            x = F.relu(F.batch_norm(conv(x), *kept, scale, shift, training=self.passes and self.training))
            if number in (1, 3):
                x = F.max_pool2d(x, 2)
        return self.head(x.amax((2, 3)))


@faulty(
    "norm-wrong-mode", also=("vanishing-gradient",), tags=("cnn", "classification", "norm", "real-data"), tier="real"
)
def functional_norm_by_default(seed: int, fixed: bool) -> Setup:
    """`F.batch_norm` without `training=self.training` divides by the buffers, which stay at 0 and 1 for ever."""
    torch.manual_seed(seed)
    return Setup(
        _Functional(fixed), nn.CrossEntropyLoss(), _sgd(0.03), *digits().parts, accuracy, batch_size=50, epochs=6
    )


@faulty(
    "selu-preconditions",
    also=("bad-initialisation", "vanishing-gradient"),
    tags=("cnn", "deep", "classification", "real-data"),
)
def thirty_selu_convolutions(seed: int, fixed: bool) -> Setup:
    """Thirty convolutions with SELU start from torch's own weights, at a third of the variance that SELU asks for."""
    torch.manual_seed(seed)
    data = digits()
    layers: list[nn.Module] = [nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.SELU()]
    for _ in range(29):
        layers += [nn.Conv2d(12, 12, 3, padding=1), nn.SELU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192, 10))
    for layer in model:
        if fixed and isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
    return Setup(model, nn.CrossEntropyLoss(), _sgd(2e-3), *data.parts, accuracy, batch_size=40, epochs=6, clip=5.0)


@faulty("missing-nonlinearity", also=("underfitting",), tags=("cnn", "segmentation", "norm"))
def convolution_norm_convolution_norm(seed: int, fixed: bool) -> Setup:
    """Five convolutions, each with its batch norm and none with an activation: a filter that cannot tell shapes."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inward, outward in ((1, 12), (12, 12), (12, 16), (16, 16)):
        layers += [nn.Conv2d(inward, outward, 3, padding=1, bias=False), nn.BatchNorm2d(outward)]
        if fixed:
            layers.append(nn.LeakyReLU(0.1))
    model = nn.Sequential(*layers, nn.Conv2d(16, 3, 1))
    return Setup(model, nn.CrossEntropyLoss(), _adam(4e-3), *shapes().parts, _class_overlap, batch_size=16, epochs=8)


class _SmallUNet(nn.Module):
    """One step down, one step up, and the fine features handed across."""

    def __init__(self, width: int = 10, *, slip: bool = False) -> None:
        super().__init__()
        self.fine, self.coarse = _block(1, width), nn.Sequential(_block(width, 2 * width), _block(2 * width, width))
        self.merge, self.head, self.slip = _block(2 * width, width), nn.Conv2d(width, 3, 1), slip

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        up = F.interpolate(self.coarse(F.max_pool2d(fine, 2)), scale_factor=2)
        merged = self.merge(torch.cat([fine, up], 1))
        return self.head(fine if self.slip else merged)


@faulty("unreached-parameters", also=("underfitting",), tags=("cnn", "segmentation", "unet"))
def decoder_never_used(seed: int, fixed: bool) -> Setup:
    """A slip in a U-Net's last line: the head reads the first layer's features, and all below and above is for show."""
    torch.manual_seed(seed)
    return Setup(
        _SmallUNet(slip=not fixed),
        nn.CrossEntropyLoss(),
        _adam(5e-3),
        *shapes().parts,
        _class_overlap,
        batch_size=16,
        epochs=8,
    )


def _body() -> nn.Sequential:
    pooled = (nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(_block(1, 16), nn.MaxPool2d(2), _block(16, 24), nn.MaxPool2d(2), _block(24, 8), *pooled)


@faulty("frozen-parameters", tags=("cnn", "transfer", "real-data"), tier="real")
def checkpoint_of_other_names(seed: int, fixed: bool) -> Setup:
    """A frozen body's weights come from a checkpoint whose names begin with "module."; `strict=False` kept quiet."""
    torch.manual_seed(seed)
    data, trained = fashion(1600), nn.Sequential(_body(), nn.Linear(72, 10))
    optimizer = torch.optim.Adam(trained.parameters(), lr=4e-3)
    for part in torch.arange(1600).repeat(3).split(32):
        optimizer.zero_grad()
        F.cross_entropy(trained(data.inputs[part]), data.targets[part]).backward()
        optimizer.step()
    prefix = "" if fixed else "module."
    body = _body()
    body.load_state_dict({f"{prefix}{name}": value for name, value in trained[0].state_dict().items()}, strict=False)
    model = nn.Sequential(body.requires_grad_(False), nn.Linear(72, 10))
    return Setup(model, nn.CrossEntropyLoss(), _adam(5e-3), *data.first(640).parts, accuracy, batch_size=16, epochs=5)


@faulty("dead-units", also=("bad-initialisation", "not-learning"), tags=("cnn", "segmentation"), tier="real")
def prior_for_every_bias(seed: int, fixed: bool) -> Setup:
    """The prior of rare pixels, a bias of -log(99), goes to every convolution of the net instead of the last."""
    torch.manual_seed(seed)
    model = nn.Sequential(*(_block(a, b, False) for a, b in ((1, 16), (16, 16), (16, 16))), nn.Conv2d(16, 1, 1))
    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convs:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    for layer in convs[-1:] if fixed else convs:
        nn.init.constant_(layer.bias, -4.6)
    data = _figure(shapes())
    return Setup(model, nn.BCEWithLogitsLoss(), _adam(3e-3), *data.parts, _overlap, batch_size=16, epochs=10)


class _Refined(nn.Module):
    """The same two convolutions applied sixteen times to a state that starts with the picture in it."""

    def __init__(self, width: int = 8, steps: int = 16) -> None:
        super().__init__()
        self.look, self.change, self.steps = nn.Conv2d(width, 16, 3, padding=1), nn.Conv2d(16, width, 1), steps
        self.read, self.width = nn.Conv2d(width, 1, 1), width

    def forward(self, x: Tensor) -> Tensor:
        state = F.pad(x, (0, 0, 0, 0, 0, self.width - 1))
        for _ in range(self.steps):
            state = state + self.change(F.relu(self.look(state)))
        return self.read(state)


@faulty("exploding-gradient", also=("bad-initialisation", "diverged"), tags=("cnn", "residual", "shared", "regression"))
def rule_applied_to_its_own_state(seed: int, fixed: bool) -> Setup:
    """A cellular rule with He's weights multiplies its state sixteen times; a last layer of zeros starts it gently."""
    torch.manual_seed(seed)
    model = _Refined()
    nn.init.kaiming_normal_(model.look.weight)
    nn.init.kaiming_normal_(model.change.weight)
    if fixed:
        nn.init.zeros_(model.change.weight)
        nn.init.zeros_(model.change.bias)
    data = shapes(size=12, count=400)
    data = data.on_targets(lambda labels: (labels > 0).float().unsqueeze(1))
    return Setup(model, nn.MSELoss(), _adam(2e-3), *data.parts, r2, batch_size=16, epochs=6)


@faulty("wrong-loss", tags=("cnn", "segmentation", "unet"), tier="real")
def overlap_minimised(seed: int, fixed: bool) -> Setup:
    """The Dice coefficient itself is returned as the loss: the net learns to miss the figures."""
    torch.manual_seed(seed)

    def dice(logits: Tensor, labels: Tensor) -> Tensor:
        found, wanted = logits.softmax(1)[:, 1:], F.one_hot(labels, 3).permute(0, 3, 1, 2)[:, 1:]
        coefficient = (2 * (found * wanted).sum() + 1) / (found.sum() + wanted.sum() + 1)
        return 1 - coefficient if fixed else coefficient

    return Setup(_SmallUNet(), dice, _adam(5e-3), *shapes().parts, _class_overlap, batch_size=20, epochs=10)


@faulty("labels-unrelated", tags=("cnn", "segmentation", "unet"), tier="real")
def masks_in_another_order(seed: int, fixed: bool) -> Setup:
    """Pictures were listed in numerical order, masks in alphabetical: picture 10 has the mask of picture 2."""
    torch.manual_seed(seed)
    data = shapes(16)
    if not fixed:
        listed = sorted(range(len(data.targets)), key=str)
        data = data._replace(targets=data.targets[listed])
    return Setup(
        _SmallUNet(12), nn.CrossEntropyLoss(), _sgd(0.1), *data.parts, _class_overlap, batch_size=16, epochs=10
    )
