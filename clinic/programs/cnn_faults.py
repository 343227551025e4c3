"""Convolutional nets on images, with a fault in structure or data."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, fashion, fashion_raw
from .._scores import accuracy, balanced_accuracy, binary_accuracy


def half_size(data: Split) -> Split:
    """Images of half the height and width."""
    return data.on_inputs(lambda images: F.avg_pool2d(images, 2))


def small(width: int = 8, activation: type[nn.Module] = nn.ReLU, outputs: int = 10) -> nn.Sequential:
    """Two convolutions with pooling, and one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        activation(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(18 * width, outputs),
    )


def classify(model: nn.Module, data: Split, optimizer: Any, **facts: Any) -> Setup:
    """Cross-entropy and accuracy."""
    return Setup(model, F.cross_entropy, optimizer, *data.parts, accuracy, **facts)


def adam(lr: float) -> Any:
    """Adam over all parameters of a model."""
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr)


def sgd(lr: float, momentum: float = 0.9) -> Any:
    """SGD over all parameters of a model."""
    return lambda model: torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


class Striped(nn.Module):
    """Are the stripes level, upright or slanted? Only their texture tells, so a linear map of pixels cannot."""

    def __init__(self, bend: bool):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 12, 5, padding=2), nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Linear(12, 3)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = F.relu(layer(x)) if self.bend else layer(x)
        return self.head(x.mean((2, 3)))


def stripes(count: int = 900) -> Split:
    """12 x 12 images of waves in three directions, at any phase, in noise."""
    g = torch.Generator().manual_seed(4)
    label = torch.randint(0, 3, (count,), generator=g)
    angle = label * torch.pi / 3 + 0.15 * torch.randn(count, generator=g)
    phase = 6.28 * torch.rand(count, generator=g)
    row, column = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    along = row * angle.sin().view(-1, 1, 1) + column * angle.cos().view(-1, 1, 1)
    images = torch.sin(1.4 * along + phase.view(-1, 1, 1)) + 0.5 * torch.randn(count, 12, 12, generator=g)
    kept = count * 3 // 4
    images = images.unsqueeze(1)
    return Split(images[:kept], label[:kept], images[kept:], label[kept:])


@faulty("missing-nonlinearity", tags=("cnn", "classification", "images"))
def stripes_convolutions_in_a_row(seed: int, fixed: bool) -> Setup:
    """Convolutions follow each other without activation, and their mean over the image is that of the pixels."""
    torch.manual_seed(seed)
    return classify(Striped(fixed), stripes(), adam(5e-3), batch_size=25, epochs=10)


@faulty("loss-output-mismatch", tier="real", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_softmax_in_the_model(seed: int, fixed: bool) -> Setup:
    """`forward` ends in `F.softmax` and the loss is `nn.CrossEntropyLoss`."""
    torch.manual_seed(seed)
    model = small(8)
    if not fixed:
        model.append(nn.Softmax(1))
    return classify(model, half_size(fashion(1500)), sgd(0.06), batch_size=32, epochs=8)


@faulty("loss-output-mismatch", tags=("cnn", "classification", "binary", "images", "real-data"))
def shoes_cnn_tanh_before_log_loss(seed: int, fixed: bool) -> Setup:
    """A tanh squeezes the logit of `BCEWithLogitsLoss` to between -1 and 1: no answer is surer than 73 %."""
    torch.manual_seed(seed)
    data = half_size(fashion(1200)).on_targets(lambda kind: ((kind == 5) | (kind == 7) | (kind == 9)).float())
    model = nn.Sequential(
        small(6, nn.ELU, outputs=1), nn.Flatten(0) if fixed else nn.Sequential(nn.Tanh(), nn.Flatten(0))
    )
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        adam(3e-3),
        *data.parts,
        lambda output, target: -F.binary_cross_entropy_with_logits(output, target).item(),
        batch_size=25,
        epochs=6,
    )


@faulty("wrong-loss", also=("learning-rate-too-high",), tags=("cnn", "classification", "images", "real-data"))
def digits_cnn_sum_over_the_batch(seed: int, fixed: bool) -> Setup:
    """The loss is summed over 64 images at a rate for the mean."""
    torch.manual_seed(seed)
    reduction = "mean" if fixed else "sum"
    return Setup(
        small(8, nn.LeakyReLU),
        lambda output, target: F.cross_entropy(output, target, reduction=reduction, label_smoothing=0.05),
        sgd(0.05),
        *digits().parts,
        accuracy,
        batch_size=64,
        epochs=12,
    )


class TwoScales(nn.Module):
    """Small and large kernels side by side."""

    def __init__(self, mode: str = ""):
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()
        )
        self.coarse = nn.Sequential(nn.Conv2d(1, 3, 7, stride=3, padding=3), nn.ReLU())
        self.head = nn.Linear(24, 10)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        fine = F.adaptive_avg_pool2d(self.fine(x), 1).flatten(1)
        if self.mode == "cut":
            with torch.no_grad():
                fine = F.adaptive_avg_pool2d(self.fine(x), 1).flatten(1)
        coarse = F.adaptive_avg_pool2d(self.coarse(x), 1).flatten(1)
        largest = F.adaptive_max_pool2d(self.coarse(x), 1).flatten(1)
        return self.head(torch.cat([fine, coarse, largest, x.mean((2, 3)), x.amax((2, 3))], dim=1))


@faulty("unreached-parameters", tags=("cnn", "classification", "images", "branches", "real-data"))
def clothes_cnn_branch_under_no_grad(seed: int, fixed: bool) -> Setup:
    """One branch runs under `torch.no_grad()`, left over from looking at its features."""
    torch.manual_seed(seed)
    return classify(TwoScales("" if fixed else "cut"), half_size(fashion(1500)), adam(5e-3), batch_size=32, epochs=10)


@faulty("frozen-parameters", tier="real", tags=("cnn", "classification", "images", "real-data"))
def digits_cnn_features_frozen(seed: int, fixed: bool) -> Setup:
    """The convolutions are frozen as in transfer learning, but nothing was ever transferred."""
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
    )
    model = nn.Sequential(features, nn.Flatten(), nn.Linear(32, 10))
    if not fixed:
        for parameter in features.parameters():
            parameter.requires_grad = False
    return classify(model, digits(), adam(5e-3), batch_size=32, epochs=6)


class Tower(nn.Module):
    """Convolutions made in a comprehension."""

    def __init__(self, registered: bool):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        made = [nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)]
        self.layers = nn.ModuleList(made) if registered else made
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(F.adaptive_avg_pool2d(x, 2).flatten(1))


@faulty("unoptimised-parameters", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_layers_in_a_list(seed: int, fixed: bool) -> Setup:
    """Three convolutions live in a plain list; the optimizer sees the stem and the head."""
    torch.manual_seed(seed)
    return classify(Tower(fixed), half_size(fashion(1500)), adam(1e-2), batch_size=32, epochs=10)


def normed(width: int = 8) -> nn.Sequential:
    """Convolutions with batch norm."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 2 * width),
        nn.BatchNorm1d(2 * width),
        nn.ReLU(),
        nn.Linear(2 * width, 10),
    )


@faulty("norm-batch-too-small", tags=("cnn", "classification", "images", "batch-norm", "real-data"))
def digits_cnn_batches_of_two(seed: int, fixed: bool) -> Setup:
    """The memory was short, so the batch is 2: the norm after the pooling has two values to standardise."""
    torch.manual_seed(seed)
    return classify(
        normed(8),
        digits().first(1000),
        adam(3e-3 if fixed else 1e-3),
        batch_size=25 if fixed else 2,
        epochs=10 if fixed else 2,
    )


@faulty("norm-wrong-mode", tags=("cnn", "classification", "images", "batch-norm", "real-data"))
def digits_cnn_statistics_hardly_move(seed: int, fixed: bool) -> Setup:
    """Batch norm's momentum is 0.0005, meant for runs of a million updates: evaluation uses what it began with."""
    torch.manual_seed(seed)
    model = normed(8)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            layer.momentum = 0.1 if fixed else 0.0005
    return classify(model, digits(), adam(3e-3), batch_size=32, epochs=6)


@faulty("unscaled-inputs", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_raw_pixels(seed: int, fixed: bool) -> Setup:
    """Pixels of 0 to 255 go into a net that SGD trains."""
    torch.manual_seed(seed)
    data = half_size((fashion if fixed else fashion_raw)(1500))
    return classify(small(8), data, sgd(0.02), batch_size=32, epochs=8)


@faulty("unscaled-inputs", also=("saturated-units",), tags=("cnn", "classification", "images", "real-data"))
def digits_cnn_times_255(seed: int, fixed: bool) -> Setup:
    """Images that were already scaled are multiplied by 255 once more, in a net of tanh units."""
    torch.manual_seed(seed)
    data = digits() if fixed else digits().on_inputs(lambda images: images * 255)
    return classify(small(6, nn.Tanh), data, adam(3e-3), batch_size=32, epochs=8)


@faulty("constant-inputs", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_integer_division(seed: int, fixed: bool) -> Setup:
    """Pixels are divided by 255 as integers: all but the fully white ones are 0."""
    torch.manual_seed(seed)
    data = fashion(1500) if fixed else fashion_raw(1500).on_inputs(lambda pixels: pixels // 255)
    return classify(small(8, nn.SiLU), half_size(data), adam(3e-3), batch_size=32, epochs=6)


@faulty("label-range", tier="real", tags=("cnn", "segmentation", "images", "real-data"))
def clothes_mask_of_0_and_255(seed: int, fixed: bool) -> Setup:
    """Which pixels are cloth? The mask was read from a picture and holds 0 and 255 instead of 0 and 1."""
    torch.manual_seed(seed)
    clean = half_size(fashion_raw(600, 200)).on_inputs(lambda pixels: (pixels > 60).float())
    noise = torch.Generator().manual_seed(3)
    data = Split(*(clean.inputs, clean.inputs, clean.valid_inputs, clean.valid_inputs)).on_inputs(
        lambda mask: mask + 0.8 * torch.randn(mask.shape, generator=noise) - 0.5
    )
    train = data.train if fixed else (data.inputs, 255 * data.targets)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1)
    )
    return Setup(model, nn.BCEWithLogitsLoss(), adam(5e-3), train, data.valid, binary_accuracy, batch_size=20, epochs=5)


@faulty("class-imbalance", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_few_shirts(seed: int, fixed: bool) -> Setup:
    """Of five classes one has 600 images and the others 14 each; the score asks for all alike."""
    torch.manual_seed(seed)
    data = half_size(fashion(6000, 1000))
    rows = torch.cat([(data.targets == kind).nonzero()[: 600 if kind == 6 else 14, 0] for kind in (6, 1, 3, 8, 9)])
    kept = torch.isin(data.valid_targets, torch.tensor([6, 1, 3, 8, 9]))
    data = Split(data.inputs[rows], data.targets[rows], data.valid_inputs[kept], data.valid_targets[kept])
    weight = torch.where(torch.arange(10) == 6, 1.0, 43.0) if fixed else None
    return Setup(
        small(8),
        nn.CrossEntropyLoss(weight=weight),
        adam(3e-3),
        *data.parts,
        balanced_accuracy,
        batch_size=32,
        epochs=12,
    )


@faulty("labels-unrelated", tags=("cnn", "classification", "images", "augmentation", "real-data"))
def digits_cnn_images_shuffled_alone(seed: int, fixed: bool) -> Setup:
    """An augmentation mixes the images of a batch but not their labels."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        order = torch.randperm(len(inputs))
        inputs, targets = inputs[order], targets[order] if fixed else targets
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return classify(small(8, nn.GELU), digits(), adam(5e-3), batch_size=32, epochs=8, update=update)


@faulty("unshuffled-data", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_folder_by_folder(seed: int, fixed: bool) -> Setup:
    """Images are read folder by folder, a class each, and never shuffled."""
    torch.manual_seed(seed)
    data = half_size(fashion(1500))
    order = data.targets.argsort(stable=True)
    data = data._replace(inputs=data.inputs[order], targets=data.targets[order])
    return classify(small(8, nn.ReLU), data, adam(3e-3), batch_size=30, epochs=6, shuffle=fixed)
