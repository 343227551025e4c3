"""Dense nets of tables, windows and places that are well built and learn."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import arm, chaos, fashion, friedman, hastie, hires, photo_points, table, waveforms
from .._scores import accuracy, balanced_accuracy, binary_accuracy, r2
from .later_dense_faults import adam, net, sgd


def cosine(optimizer: torch.optim.Optimizer, updates: int) -> Any:
    """Half a cosine down to zero."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)


@healthy(tags=("mlp", "coordinates", "regression", "image", "real-data"))
def temple_in_waves(seed: int) -> Setup:
    """A photograph as a function of x and y, through random Fourier features, with a cosine."""
    torch.manual_seed(seed)
    waves = 6 * torch.randn(2, 48, generator=torch.Generator().manual_seed(79))
    data = photo_points().on_inputs(lambda x: torch.cat([(x @ waves).sin(), (x @ waves).cos()], 1))
    model = net([96, 96, 48, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(4e-3), *data.parts, r2, batch_size=96, epochs=16, schedule=cosine)


@healthy(tags=("mlp", "regression", "multi-output"))
def arm_tip_with_one_cycle(seed: int) -> Setup:
    """A robot's tip from its angles: SGD with Nesterov's momentum on one cycle."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> Any:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=updates + 1)

    def nesterov(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    return Setup(net([3, 64, 64, 2], nn.SiLU), nn.MSELoss(), nesterov, *arm().parts, r2, 25, 14, schedule=schedule)


@healthy(tags=("mlp", "windows", "series", "quantile"))
def chaos_in_three_quantiles(seed: int) -> Setup:
    """Quantiles of a chaotic series six steps on, under the pinball loss; the score is the middle one's."""
    torch.manual_seed(seed)
    data, levels = chaos().standardised().standardised_targets(), torch.tensor([0.05, 0.5, 0.95])

    def pinball(output: Tensor, target: Tensor) -> Tensor:
        return torch.maximum(levels * (target - output), (levels - 1) * (target - output)).sum(1).mean()

    model = net([18, 64, 3], nn.GELU)
    return Setup(model, pinball, adam(3e-3), *data.parts, lambda out, y: r2(out[:, 1:2], y), batch_size=32, epochs=12)


@healthy(tags=("mlp", "classification", "binary", "focal", "real-data"))
def tumours_under_focal_loss(seed: int) -> Setup:
    """The focal loss with gamma 2: rows that are surely right hardly count."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(Tensor.float)

    def focal(output: Tensor, target: Tensor) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(output, target, reduction="none")
        return (loss * (1 - (-loss).exp()) ** 2).mean()

    model = nn.Sequential(net([30, 24, 1], nn.Tanh), nn.Flatten(0))
    return Setup(model, focal, sgd(0.1), *data.parts, binary_accuracy, batch_size=16, epochs=8)


@healthy(tags=("mlp", "norm", "dropout", "label-smoothing", "real-data"))
def clothes_smoothed_and_normed(seed: int) -> Setup:
    """Batch norm, dropout and smoothed labels on clothes; RMSprop that falls by half twice."""
    torch.manual_seed(seed)
    parts = [nn.Linear(784, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Dropout(0.3)]
    model = nn.Sequential(nn.Flatten(), *parts, nn.Linear(96, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 10))
    return Setup(
        model,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=1e-3),
        *fashion(2500).parts,
        accuracy,
        batch_size=64,
        epochs=8,
        schedule=lambda optimizer, n: torch.optim.lr_scheduler.MultiStepLR(optimizer, [n // 2, 3 * n // 4], 0.5),
    )


@healthy(tags=("mlp", "classification", "large-batch", "real-data"))
def wine_all_rows_at_once(seed: int) -> Setup:
    """The whole of a small table as one batch, a hundred and fifty times, with AdamW."""
    torch.manual_seed(seed)
    data = table("wine").standardised()
    return Setup(
        net([13, 16, 3], nn.ELU),
        nn.CrossEntropyLoss(),
        adam(5e-3, weight_decay=0.3),
        *data.parts,
        accuracy,
        134,
        epochs=150,
    )


@healthy(tags=("mlp", "embedding", "regression", "counts"))
def hires_with_embedded_hours(seed: int) -> Setup:
    """Hours and weekdays as vectors beside the weather, on log counts, under the Huber loss."""
    torch.manual_seed(seed)

    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hour, self.day, self.body = nn.Embedding(24, 8), nn.Embedding(7, 4), net([14, 64, 32, 1], nn.ReLU)

        def forward(self, x: Tensor) -> Tensor:
            h, d = self.hour(x[:, 0].long()), self.day(x[:, 1].long())
            return self.body(torch.cat([h, d, (x[:, 2:] - 8) / 8], 1))

    data = hires().on_targets(torch.log1p)
    return Setup(Codes(), nn.HuberLoss(), adam(5e-3), *data.parts, r2, batch_size=64, epochs=14)


@healthy(tags=("mlp", "classification", "small-batch"))
def shells_in_batches_of_eight(seed: int) -> Setup:
    """Plain SGD, no momentum, batches of eight, a rate that halves every fifth of the run."""
    torch.manual_seed(seed)
    return Setup(
        net([10, 64, 2], nn.ReLU),
        nn.CrossEntropyLoss(),
        sgd(0.1, 0.0),
        *hastie().parts,
        accuracy,
        batch_size=8,
        epochs=7,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.StepLR(optimizer, updates // 5, 0.5),
    )


@healthy(tags=("mlp", "classification", "rare", "weighted"))
def shells_rare_and_weighted(seed: int) -> Setup:
    """One row in twelve is outside; cross-entropy weighs its class by eight, the score both classes alike."""
    torch.manual_seed(seed)
    loss, data = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 8.0])), hastie(3000, 0.08)
    return Setup(net([10, 48, 24, 2], nn.GELU), loss, adam(3e-3), *data.parts, balanced_accuracy, 64, epochs=12)


@healthy(tags=("mlp", "transfer", "frozen", "real-data"))
def clothes_head_on_a_frozen_body(seed: int) -> Setup:
    """A body that learnt seven kinds of clothes is frozen; a new head learns the other three from 240 pictures."""
    torch.manual_seed(seed)
    data = fashion(3000).columns()
    body = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
    first = nn.Sequential(body, nn.Linear(32, 7))
    x, y = (part[data.targets < 7] for part in data.train)
    optimizer = torch.optim.Adam(first.parameters(), lr=2e-3)
    for index in torch.cat([torch.randperm(len(x)) for _ in range(4)]).split(50):
        optimizer.zero_grad()
        F.cross_entropy(first(x[index]), y[index]).backward()
        optimizer.step()
    body.requires_grad_(False)
    train, valid = ((part[0][part[1] > 6], part[1][part[1] > 6] - 7) for part in data.parts)
    model = nn.Sequential(copy.deepcopy(body), nn.Linear(32, 3))
    head = lambda m: torch.optim.Adam(m[1].parameters(), lr=1e-2)  # noqa: E731
    return Setup(model, nn.CrossEntropyLoss(), head, (train[0][:240], train[1][:240]), valid, accuracy, 16, epochs=10)


@healthy(tags=("mlp", "resumed", "regression"))
def friedman_at_the_end_of_its_run(seed: int) -> Setup:
    """Most of the run is over: what is left is the last epochs at a tenth of the rate, near the noise."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    model = nn.Sequential(net([10, 48, 24, 1], nn.SiLU), nn.Flatten(0))
    before = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    for index in torch.cat([torch.randperm(len(data.inputs)) for _ in range(20)]).split(45):
        before.zero_grad()
        F.mse_loss(model(data.inputs[index]), data.targets[index]).backward()
        before.step()
    return Setup(model, nn.MSELoss(), adam(5e-4, weight_decay=0.05), *data.parts, r2, batch_size=45, epochs=8)


@healthy(tags=("residual", "norm", "windows", "classification"))
def signals_through_normed_blocks(seed: int) -> Setup:
    """Four residual blocks with layer norm first, AdamW with a warmup of a tenth and then a straight way down."""
    torch.manual_seed(seed)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.inner(x)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (0.1 * updates), max(0.0, 1.1 - step / updates))
        )

    model = nn.Sequential(nn.Linear(32, 48), *[Block() for _ in range(4)], nn.LayerNorm(48), nn.Linear(48, 5))
    return Setup(
        model, nn.CrossEntropyLoss(), adam(2e-3), *waveforms().parts, accuracy, 32, epochs=12, schedule=schedule
    )
