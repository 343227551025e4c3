"""Healthy nets of many kinds on digits: norms, gates, self-normalising, attention, mixing, reparametrised weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from .._base import Setup, healthy
from .._data import digits
from .._scores import accuracy


@healthy(tags=("cnn", "classification", "real-data", "batch-norm"))
def cnn_digits_batch_norm(seed: int) -> Setup:
    """Convolution, batch norm, ReLU, twice; Nesterov and a rate that falls by steps."""
    torch.manual_seed(seed)
    data = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=7,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.StepLR(optimizer, updates // 3, 0.3),
    )


@healthy(tags=("cnn", "classification", "real-data", "group-norm"))
def cnn_digits_group_norm_batch_of_four(seed: int) -> Setup:
    """Group norm, since the batch holds only four pictures; RMSprop, and a noisy loss from one update to the next."""
    torch.manual_seed(seed)
    data = digits().first(800)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.ELU(),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.GroupNorm(4, 24),
        nn.ELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 16, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.RMSprop(model.parameters(), lr=5e-4),
        data.train,
        data.valid,
        accuracy,
        batch_size=4,
        epochs=4,
    )


class _Excite(nn.Module):
    """A sigmoid gate for every channel, computed from the mean of all of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * torch.sigmoid(self.wide(F.relu(self.narrow(inputs.mean((2, 3), keepdim=True)))))


@healthy(tags=("cnn", "classification", "real-data", "gate"))
def squeeze_excite_hard_swish(seed: int) -> Setup:
    """Depthwise convolutions, hard swish and sigmoid gates over the channels, after the mobile nets."""
    torch.manual_seed(seed)
    data = digits()

    def block(width: int, out: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        return [
            depthwise,
            nn.BatchNorm2d(width),
            nn.Hardswish(),
            _Excite(width),
            nn.Conv2d(width, out, 1),
            nn.BatchNorm2d(out),
        ]

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.Hardswish(),
        *block(16, 24),
        *block(24, 32),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02),
        data.train,
        data.valid,
        accuracy,
        batch_size=48,
        epochs=8,
    )


@healthy(tags=("mlp", "classification", "real-data", "deep", "selu"))
def selu_twelve_layers(seed: int) -> Setup:
    """Twelve self-normalising layers: SELU, LeCun initialisation, standardised pictures, plain SGD."""
    torch.manual_seed(seed)
    data = digits().columns()
    layers: list[nn.Module] = []
    for number in range(12):
        layer = nn.Linear(64 if number == 0 else 48, 48)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.SELU()]
    model = nn.Sequential(*layers, nn.Linear(48, 10))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        accuracy,
        batch_size=16,
        epochs=10,
    )


@healthy(tags=("transformer", "classification", "real-data", "layer-norm", "schedule"))
def vision_transformer_digits(seed: int) -> Setup:
    """Sixteen patches of a digit, a class token, two pre-norm blocks with GELU; AdamW with a warmup and a cosine."""
    torch.manual_seed(seed)
    data = digits()

    class _Vision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(1, 32, 2, 2)
            self.token = nn.Parameter(torch.zeros(1, 1, 32))
            self.place = nn.Parameter(0.02 * torch.randn(1, 17, 32))
            block = nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
            self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

        def forward(self, inputs: Tensor) -> Tensor:
            patches = self.patch(inputs).flatten(2).transpose(1, 2)
            hidden = torch.cat([self.token.expand(len(inputs), -1, -1), patches], 1) + self.place
            return self.head(self.norm(self.blocks(hidden)[:, 0]))

    def warm(optimizer: torch.optim.Optimizer, updates: int) -> torch.optim.lr_scheduler.LRScheduler:
        up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, 1.0, 40)
        down = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates - 40)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [up, down], [40])

    return Setup(
        _Vision(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05),
        data.train,
        data.valid,
        accuracy,
        batch_size=48,
        epochs=12,
        schedule=warm,
    )


@healthy(tags=("mlp", "residual", "classification", "real-data", "layer-norm"))
def mixer_digits(seed: int) -> Setup:
    """Layers that mix places in turn with layers that mix channels, both around a skip (MLP-Mixer)."""
    torch.manual_seed(seed)
    data = digits()

    class _Mixer(nn.Module):
        def __init__(self, places: int, width: int) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.across = nn.Sequential(nn.Linear(places, 32), nn.GELU(), nn.Linear(32, places))
            self.along = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

        def forward(self, inputs: Tensor) -> Tensor:
            inputs = inputs + self.across(self.norm1(inputs).transpose(1, 2)).transpose(1, 2)
            return inputs + self.along(self.norm2(inputs))

    class _Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.mix = (
                nn.Conv2d(1, 24, 2, 2),
                nn.Sequential(_Mixer(16, 24), _Mixer(16, 24), nn.LayerNorm(24)),
            )
            self.head = nn.Linear(24, 10)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.mix(self.patch(inputs).flatten(2).transpose(1, 2)).mean(1))

    return Setup(
        _Net(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.NAdam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=7,
    )


@healthy(tags=("cnn", "classification", "real-data", "large-batch"))
def large_batch_sgd(seed: int) -> Setup:
    """A batch of 512 with the rate scaled up to 0.8: few, large, smooth steps."""
    torch.manual_seed(seed)
    data = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24 * 16, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.8),
        data.train,
        data.valid,
        accuracy,
        batch_size=512,
        epochs=30,
    )


@healthy(tags=("mlp", "classification", "real-data", "parametrised"))
def spectral_norm_net(seed: int) -> Setup:
    """Every hidden weight divided by its largest singular value, as Lipschitz nets are built."""
    torch.manual_seed(seed)
    data = digits().columns()
    model = nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(64, 96)),
        nn.LeakyReLU(0.1),
        parametrizations.spectral_norm(nn.Linear(96, 96)),
        nn.LeakyReLU(0.1),
        nn.Linear(96, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
    )


@healthy(tags=("cnn", "classification", "real-data", "parametrised"))
def weight_norm_mish(seed: int) -> Setup:
    """Weight-normalised convolutions with Mish, strided, Adamax."""
    torch.manual_seed(seed)
    data = digits()
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Conv2d(1, 16, 3, 1, 1)),
        nn.Mish(),
        parametrizations.weight_norm(nn.Conv2d(16, 32, 3, 2, 1)),
        nn.Mish(),
        nn.Flatten(),
        parametrizations.weight_norm(nn.Linear(512, 10)),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adamax(model.parameters(), lr=4e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=40,
        epochs=6,
    )
