"""Healthy programs of unusual shape: variational, tied, taught, shared in depth, very deep, gathered, averaged."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import cut, digits, fashion, fashion_raw, friedman, moons, spirals, table
from .._scores import accuracy, r2
from .._sequences import passages


def _relu_net(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@healthy(tags=("autoencoder", "vae", "real-data"))
def variational_autoencoder(seed: int) -> Setup:
    """Reconstruction and a divergence together; part of the latent numbers are given up, as the balance has it."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)

    class _Variational(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.mean, self.spread = nn.Linear(64, 96), nn.Linear(96, 10), nn.Linear(96, 10)
            self.back = nn.Sequential(nn.Linear(10, 96), nn.ReLU(), nn.Linear(96, 64))

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = F.relu(self.body(inputs))
            mean, spread = self.mean(hidden), self.spread(hidden)
            latent = mean + torch.randn_like(mean) * (0.5 * spread).exp() if self.training else mean
            return torch.cat([self.back(latent), mean, spread], 1)

    def bound(output: Tensor, target: Tensor) -> Tensor:
        picture, mean, spread = output.split([64, 10, 10], 1)
        lost = F.binary_cross_entropy_with_logits(picture, target, reduction="none").sum(1)
        return (lost + 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1)).mean()

    return Setup(
        _Variational(),
        bound,
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        lambda output, target: r2(output[:, :64].sigmoid(), target),
        batch_size=48,
        epochs=15,
    )


@healthy(tags=("autoencoder", "tied", "real-data", "sigmoid"))
def tied_denoising_autoencoder(seed: int) -> Setup:
    """The decoder is the transposed encoder; the inputs are spoilt by dropout and the clean pictures wanted back."""
    torch.manual_seed(seed)
    data = fashion_raw(1500, 300).on_inputs(lambda pixels: F.avg_pool2d(pixels, 2).flatten(1) / 255)

    class _Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(48, 196)))
            self.into, self.out = nn.Parameter(torch.zeros(48)), nn.Parameter(torch.zeros(196))

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = torch.sigmoid(F.linear(F.dropout(inputs, 0.2, self.training), self.weight, self.into))
            return F.linear(hidden, self.weight.T, self.out)

    return Setup(
        _Tied(),
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        r2,
        epochs=10,
    )


@healthy(tags=("cnn", "classification", "real-data", "auxiliary-head"))
def auxiliary_head_in_training_only(seed: int) -> Setup:
    """A second head on an early layer helps training and is left out in evaluation, as in the inception nets."""
    torch.manual_seed(seed)
    data = digits()

    class _Early(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 16, 3, 1, 1), nn.Conv2d(16, 32, 3, 2, 1)
            self.early, self.head = nn.Linear(16 * 16, 10), nn.Linear(512, 10)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = F.relu(self.first(inputs))
            output = self.head(F.relu(self.second(hidden)).flatten(1))
            return torch.cat([output, self.early(F.max_pool2d(hidden, 2).flatten(1))], 1) if self.training else output

    def both(output: Tensor, target: Tensor) -> Tensor:
        loss = F.cross_entropy(output[:, :10], target)
        return loss + 0.3 * F.cross_entropy(output[:, 10:], target) if output.shape[1] > 10 else loss

    return Setup(
        _Early(),
        both,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        epochs=6,
    )


@healthy(tags=("distillation", "mlp", "classification", "real-data"))
def small_pupil_of_a_large_teacher(seed: int) -> Setup:
    """A small net learns the softened answers of a trained large one, which is frozen and not in the optimizer."""
    torch.manual_seed(seed)
    data = fashion(2000, 500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))
    teacher = _relu_net(196, 200, 100, 10)
    adam = torch.optim.Adam(teacher.parameters(), lr=2e-3)
    for _ in range(6):
        for part in torch.randperm(2000).split(50):
            adam.zero_grad()
            F.cross_entropy(teacher(data.inputs[part]), data.targets[part]).backward()
            adam.step()
    with torch.no_grad():
        answers = torch.cat([data.targets[:, None].float(), (teacher(data.inputs) / 4).softmax(1)], 1)

    def taught(output: Tensor, target: Tensor) -> Tensor:
        soft = F.kl_div((output / 4).log_softmax(1), target[:, 1:], reduction="batchmean") * 16
        return 0.7 * soft + 0.3 * F.cross_entropy(output, target[:, 0].long())

    return Setup(
        _relu_net(196, 24, 10),
        taught,
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        (data.inputs, answers),
        data.valid,
        accuracy,
        epochs=6,
    )


@healthy(tags=("mlp", "residual", "deep", "classification", "shared-weights"))
def one_layer_applied_thirty_times(seed: int) -> Setup:
    """A flow from the points to the answer: the same small layer thirty times in steps of a tenth, on a spiral."""
    torch.manual_seed(seed)
    data = spirals()

    class _Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(2, 32), nn.Linear(32, 2)
            self.force = nn.Sequential(nn.Linear(32, 48), nn.Tanh(), nn.Linear(48, 32))

        def forward(self, inputs: Tensor) -> Tensor:
            place = self.stem(inputs)
            for _ in range(30):
                place = place + 0.1 * self.force(place)
            return self.head(place)

    return Setup(
        _Flow(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=90,
        epochs=30,
    )


@healthy(tags=("mlp", "residual", "deep", "regression", "layer-norm"))
def forty_small_residual_blocks(seed: int) -> Setup:
    """Forty pre-norm blocks whose last layers start at zero; deep, and a plain regression all the same."""
    torch.manual_seed(seed)
    data = friedman(count=1200).standardised().standardised_targets()

    class _Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.first, self.second = nn.LayerNorm(24), nn.Linear(24, 24), nn.Linear(24, 24)
            nn.init.zeros_(self.second.weight)

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs + self.second(F.gelu(self.first(self.norm(inputs))))

    return Setup(
        nn.Sequential(nn.Linear(10, 24), *(_Block() for _ in range(40)), nn.Linear(24, 1), nn.Flatten(0)),
        nn.MSELoss(),
        lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3),
        data.train,
        data.valid,
        r2,
        batch_size=60,
        epochs=10,
    )


@healthy(tags=("mlp", "classification", "real-data", "accumulation", "clip"))
def accumulated_and_clipped(seed: int) -> Setup:
    """Gradients of eight parts of a batch are gathered before a step, which is clipped to a norm of 0.2."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)
    return Setup(
        _relu_net(64, 80, 40, 10),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=12,
        accumulate=8,
        clip=0.2,
    )


@healthy(tags=("embedding", "self-supervised", "real-data", "negative-sampling"))
def words_by_their_neighbours(seed: int) -> Setup:
    """Skip-gram with negative samples: does a word stand beside another one in the text, or was it drawn at random?"""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(109)
    split, words = passages(words=16)
    text = split.inputs
    true = torch.stack([text[:, :-1].flatten(), text[:, 1:].flatten()], 1)
    false = torch.stack([true[:, 0], true[torch.randperm(len(true), generator=g), 1]], 1)
    labels = torch.cat([torch.ones(len(true)), torch.zeros(len(false))])
    data = cut(torch.cat([true, false]), labels)

    class _Neighbours(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.middle, self.beside = nn.Embedding(words, 24), nn.Embedding(words, 24)
            nn.init.normal_(self.middle.weight, std=0.2)
            nn.init.normal_(self.beside.weight, std=0.2)
            self.often = nn.Embedding(words, 1)

        def forward(self, pairs: Tensor) -> Tensor:
            return (self.middle(pairs[:, 0]) * self.beside(pairs[:, 1])).sum(1) + self.often(pairs[:, 1]).squeeze(1)

    return Setup(
        _Neighbours(),
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        lambda output, target: ((output > 0) == (target > 0.5)).float().mean().item(),
        batch_size=256,
        epochs=4,
    )


@healthy(tags=("mlp", "classification", "mean-of-weights"))
def averaged_over_its_path(seed: int) -> Setup:
    """Averaged SGD at a constant, rather high rate: the single steps jump about, the net learns the moons."""
    torch.manual_seed(seed)
    data = moons(noise=0.2)
    return Setup(
        nn.Sequential(nn.Linear(2, 40), nn.CELU(), nn.Linear(40, 40), nn.CELU(), nn.Linear(40, 2)),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.ASGD(model.parameters(), lr=0.3),
        data.train,
        data.valid,
        accuracy,
        batch_size=25,
        epochs=35,
    )
