"""Ordinary dense and convolutional nets that learn well; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits, fashion, patches, table
from .._scores import accuracy, binary_accuracy
from .fourth_signals import adam, dense, sgd

healthy = partial(base.healthy, half="parted")


class _LeNet(nn.Module):
    """Two convolutions and three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


@healthy(tags=("cnn", "real-data"))
def clothes_lenet_by_adam(seed: int) -> Setup:
    """LeNet with ReLU under Adam at its usual rate."""
    torch.manual_seed(seed)
    return Setup(_LeNet(), nn.CrossEntropyLoss(), adam(1e-3), *fashion(1500).parts, accuracy, batch_size=32, epochs=8)


@healthy(tags=("mlp", "real-data"))
def clothes_dense_by_momentum(seed: int) -> Setup:
    """A dense net of three layers under SGD with momentum."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.01, 0.9), *fashion().parts, accuracy, batch_size=64, epochs=10)


@healthy(tags=("cnn", "norm", "real-data"))
def clothes_normed_convolutions_on_one_cycle(seed: int) -> Setup:
    """Convolution, batch norm, ReLU and pooling, twice; SGD on one cycle."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 49, 10),
    )

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=updates)

    parts = fashion(1200).parts
    return Setup(
        model, nn.CrossEntropyLoss(), sgd(0.05, 0.9), *parts, accuracy, batch_size=32, epochs=5, schedule=schedule
    )


class _Residual(nn.Module):
    """The basic block of residual nets."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


@healthy(tags=("cnn", "residual", "norm", "real-data"))
def digits_resnet_on_a_cosine(seed: int) -> Setup:
    """Three residual blocks, Nesterov's momentum, weight decay and a cosine."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        _Residual(16, 16),
        _Residual(16, 32, 2),
        _Residual(32, 32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    optimizer, data = sgd(0.05, 0.9, weight_decay=5e-4, nesterov=True), digits().first(960)
    return Setup(
        model, nn.CrossEntropyLoss(), optimizer, *data.parts, accuracy, batch_size=32, epochs=7, schedule=schedule
    )


@healthy(tags=("cnn", "dropout", "real-data"))
def digits_convolutions_with_dropout(seed: int) -> Setup:
    """Two convolutions and a dense layer behind dropout, under AdamW."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 10),
    )
    adamw = lambda model: torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)  # noqa: E731
    return Setup(model, nn.CrossEntropyLoss(), adamw, *digits().parts, accuracy, batch_size=32, epochs=8)


@healthy(tags=("cnn", "norm", "real-data"))
def clothes_group_norm_in_batches_of_eight(seed: int) -> Setup:
    """Group norm where batches are small."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.GroupNorm(4, 32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *fashion(1000).parts, accuracy, batch_size=8, epochs=5)


@healthy(tags=("cnn", "augmentation", "real-data"))
def patches_flipped_at_random(seed: int) -> Setup:
    """A small net on cut-outs of photographs, half of them mirrored in each batch."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 2),
    )
    criterion = nn.CrossEntropyLoss()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        mirrored = torch.rand(len(inputs)) < 0.5
        inputs = torch.where(mirrored[:, None, None, None], inputs.flip(3), inputs)
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(model, criterion, adam(2e-3), *patches().parts, accuracy, batch_size=32, epochs=8, update=update)


@healthy(tags=("cnn", "adadelta", "real-data"))
def clothes_by_adadelta(seed: int) -> Setup:
    """The net of PyTorch's first example, smaller, under Adadelta at 1 with a rate that falls by 0.7 an epoch."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(576, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 10),
        nn.LogSoftmax(dim=1),
    )
    adadelta = lambda model: torch.optim.Adadelta(model.parameters(), lr=1.0)  # noqa: E731

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=updates // 6, gamma=0.7)

    parts = fashion(1500).parts
    return Setup(model, nn.NLLLoss(), adadelta, *parts, accuracy, batch_size=32, epochs=6, schedule=schedule)


@healthy(tags=("mlp", "rmsprop", "real-data"))
def digits_rmsprop_with_exponential_decay(seed: int) -> Setup:
    """A dense net under RMSprop whose rate falls to a tenth over the run."""
    torch.manual_seed(seed)
    rmsprop = lambda model: torch.optim.RMSprop(model.parameters(), lr=1e-3)  # noqa: E731

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / updates))

    model, parts = nn.Sequential(nn.Flatten(), dense([64, 128, 64, 10], nn.ReLU)), digits().parts
    return Setup(model, nn.CrossEntropyLoss(), rmsprop, *parts, accuracy, batch_size=32, epochs=15, schedule=schedule)


@healthy(tags=("mlp", "real-data"))
def wine_dense_by_adam(seed: int) -> Setup:
    """Thirteen standardised columns, two hidden layers, Adam."""
    torch.manual_seed(seed)
    model, parts = dense([13, 32, 16, 3], nn.ReLU), table("wine").standardised().parts
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *parts, accuracy, batch_size=16, epochs=25)


@healthy(tags=("mlp", "binary", "dropout", "real-data"))
def tumours_one_logit_with_dropout(seed: int) -> Setup:
    """One logit for two classes, a little dropout, `BCEWithLogitsLoss`."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: y.float().unsqueeze(1))
    model = nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1)
    )
    loss = nn.BCEWithLogitsLoss()
    return Setup(model, loss, adam(1e-3), *data.parts, binary_accuracy, batch_size=32, epochs=20)


@healthy(tags=("mlp", "real-data"))
def iris_small_net_by_sgd(seed: int) -> Setup:
    """Four columns, one hidden layer of tanh, SGD with momentum."""
    torch.manual_seed(seed)
    model, parts = dense([4, 16, 3], nn.Tanh), table("iris").standardised().parts
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.05, 0.9), *parts, accuracy, batch_size=16, epochs=40)
