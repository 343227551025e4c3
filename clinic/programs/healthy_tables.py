"""Healthy nets on tables: deep, wide, embedded, imbalanced; with inputs in whatever scale is right for them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import cut, friedman, houses, table
from .._scores import accuracy, balanced_accuracy, binary_accuracy, r2
from .._sequences import ratings


@healthy(tags=("mlp", "regression", "layer-norm"))
def friedman_huber(seed: int) -> Setup:
    """Regression with layer norm and SiLU under the Huber loss; RAdam; raw inputs between 0 and 1."""
    torch.manual_seed(seed)
    data = friedman().standardised_targets()
    hidden: list[nn.Module] = []
    for width in (10, 48, 48):
        hidden += [nn.Linear(width, 48), nn.LayerNorm(48), nn.SiLU()]
    return Setup(
        nn.Sequential(*hidden, nn.Linear(48, 1), nn.Flatten(0)),
        nn.HuberLoss(),
        lambda model: torch.optim.RAdam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        r2,
        epochs=15,
    )


@healthy(tags=("mlp", "regression", "log-inputs"))
def houses_log_price(seed: int) -> Setup:
    """Skewed columns and the price through a logarithm first, then standardised; residual blocks, decoupled decay."""
    torch.manual_seed(seed)
    data = houses().on_inputs(lambda x: torch.cat([x[:, :1].log(), x[:, 1:4], x[:, 4:5] - 2000, x[:, 5:].log()], 1))
    data = data.standardised().on_targets(torch.log).standardised_targets()

    class _Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(6, 32), nn.Linear(32, 1)
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)) for _ in range(3)
            )

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.stem(inputs)
            for block in self.blocks:
                hidden = hidden + block(hidden)
            return self.head(hidden).squeeze(1)

    return Setup(
        _Net(),
        nn.MSELoss(),
        lambda model: torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01),
        data.train,
        data.valid,
        r2,
        epochs=12,
    )


@healthy(tags=("mlp", "regression", "heavy-tails"))
def outliers_under_a_logarithm(seed: int) -> Setup:
    """Log-normal columns with values thousands of times the median, brought down by log1p and nothing else."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(23)
    inputs = torch.exp(2 * torch.randn(2000, 8, generator=g))
    logs = inputs.log1p()
    targets = logs[:, 0] * (logs[:, 1] > 1) - logs[:, 2] + 0.3 * logs[:, 3] ** 2 + 0.3 * torch.randn(2000, generator=g)
    data = cut(logs, targets.unsqueeze(1)).standardised_targets()
    model = nn.Sequential(nn.Linear(8, 64), nn.LeakyReLU(), nn.Linear(64, 32), nn.LeakyReLU(), nn.Linear(32, 1))
    return Setup(
        model,
        nn.SmoothL1Loss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        r2,
        batch_size=40,
        epochs=10,
    )


@healthy(tags=("mlp", "regression", "real-data"))
def digits_as_numbers(seed: int) -> Setup:
    """The digit itself as a number to be regressed: float targets that happen to be whole numbers of 0 to 9."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 8 - 1).on_targets(lambda digit: digit.float().unsqueeze(1))
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
    return Setup(
        model,
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        r2,
        epochs=25,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.PolynomialLR(optimizer, updates),
    )


@healthy(tags=("mlp", "classification", "one-hot"))
def one_hot_letters(seed: int) -> Setup:
    """Six letters of an alphabet of eight, one-hot: 48 inputs of which 42 are always zero."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(29)
    letters = torch.randint(0, 8, (2400, 6), generator=g)
    votes = torch.randn(6, 8, 4, generator=g)
    counted = votes[torch.arange(6), letters].sum(1)
    data = cut(F.one_hot(letters, 8).flatten(1).float(), counted.argmax(1))
    model = nn.Sequential(nn.Linear(48, 40), nn.ReLU(), nn.Linear(40, 4))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adagrad(model.parameters(), lr=0.05),
        data.train,
        data.valid,
        accuracy,
        epochs=10,
    )


@healthy(tags=("mlp", "classification", "bits"))
def bits_of_a_sum(seed: int) -> Setup:
    """Twelve bits in, how many are set out: classes as unequal as the binomial makes them."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(31)
    bits = torch.randint(0, 2, (2400, 12), generator=g)
    data = cut(bits.float(), bits.sum(1))
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 13))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=20,
    )


@healthy(tags=("mlp", "classification", "multi-label", "real-data"))
def multi_label_digits(seed: int) -> Setup:
    """Four yes-or-no properties of a digit at once (even, prime, above four, round), each with its own sigmoid."""
    torch.manual_seed(seed)
    even, prime, large = [0, 2, 4, 6, 8], [2, 3, 5, 7], [5, 6, 7, 8, 9]
    facts = torch.tensor([[n in even, n in prime, n in large, n in (0, 6, 8, 9)] for n in range(10)]).float()
    data = table("digits").on_inputs(lambda pixels: pixels / 8 - 1).on_targets(lambda digit: facts[digit])
    model = nn.Sequential(nn.Linear(64, 80), nn.BatchNorm1d(80), nn.ReLU(), nn.Linear(80, 4))
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        binary_accuracy,
        epochs=8,
    )


def _rare(label: int) -> Tensor:
    return torch.arange(10).eq(label).long()


@healthy(tags=("mlp", "classification", "imbalanced", "real-data"))
def rare_class_weighted(seed: int) -> Setup:
    """One digit against all others, one to nine, with class weights in the loss as one does."""
    torch.manual_seed(seed)
    data = table("digits").standardised().on_targets(lambda digit: _rare(3)[digit])
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 2))
    return Setup(
        model,
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0])),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        balanced_accuracy,
        epochs=10,
    )


@healthy(tags=("mlp", "classification", "imbalanced", "real-data"))
def one_class_heavy(seed: int) -> Setup:
    """The digit 6 or not, without weights: nine tenths are right from the start, and the rest is learnt too."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16).on_targets(lambda digit: _rare(6)[digit])
    model = nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 2))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        balanced_accuracy,
        epochs=10,
    )


@healthy(tags=("embedding", "regression"))
def matrix_factorisation(seed: int) -> Setup:
    """Ratings as a product of embeddings; the tables have rows for people and films that have not rated yet."""
    torch.manual_seed(seed)
    data = ratings()
    middle = data.targets.mean()

    class _Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.person, self.film = nn.Embedding(200, 6), nn.Embedding(150, 6)
            self.mood, self.quality = nn.Embedding(200, 1), nn.Embedding(150, 1)
            for part in (self.person, self.film, self.mood, self.quality):
                nn.init.normal_(part.weight, std=0.1)
            self.middle = nn.Parameter(middle.clone())

        def forward(self, pairs: Tensor) -> Tensor:
            person, film = pairs.unbind(1)
            taste = (self.person(person) * self.film(film)).sum(1)
            return self.middle + taste + (self.mood(person) + self.quality(film)).squeeze(1)

    return Setup(
        _Factors(),
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=2e-4),
        data.train,
        data.valid,
        r2,
        batch_size=64,
        epochs=10,
    )


@healthy(tags=("embedding", "mlp", "classification", "binary"))
def categories_and_numbers(seed: int) -> Setup:
    """Three categories by embedding beside four numeric columns, wide and deep, for a yes or no."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(37)
    kinds = torch.stack([torch.randint(0, size, (2400,), generator=g) for size in (12, 30, 5)], 1)
    numbers = torch.randn(2400, 4, generator=g)
    lift = torch.randn(12, generator=g)[kinds[:, 0]] + torch.randn(30, generator=g)[kinds[:, 1]] * (kinds[:, 2] > 1)
    chance = torch.sigmoid(2 * lift + 2 * numbers[:, 0] * numbers[:, 1] + numbers[:, 2])
    answer = torch.bernoulli(chance, generator=g).unsqueeze(1)
    data = cut(torch.cat([kinds.float(), numbers], 1), answer)

    class _Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kinds = nn.ModuleList(nn.Embedding(size, width) for size, width in ((12, 4), (30, 6), (5, 2)))
            self.deep = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Dropout(0.1), nn.Linear(48, 24), nn.ReLU())
            self.head = nn.Linear(24 + 4, 1)

        def forward(self, rows: Tensor) -> Tensor:
            codes, numbers = rows[:, :3].long(), rows[:, 3:]
            known = [part(codes[:, column]) for column, part in enumerate(self.kinds)]
            return self.head(torch.cat([self.deep(torch.cat([*known, numbers], 1)), numbers], 1))

    return Setup(
        _Table(),
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        binary_accuracy,
        batch_size=48,
        epochs=8,
    )


@healthy(tags=("mlp", "classification", "mixture", "gate"))
def mixture_of_experts(seed: int) -> Setup:
    """Four small experts and a softmax gate that sends each of four regions to its own rule."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(41)
    inputs = torch.randn(4000, 8, generator=g)
    region, rules = (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long(), torch.randn(4, 8, 3, generator=g)
    data = cut(inputs, torch.einsum("nd,ndc->nc", inputs, rules[region]).argmax(1))

    class _Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(8, 4)
            self.experts = nn.ModuleList(nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 3)) for _ in range(4))

        def forward(self, inputs: Tensor) -> Tensor:
            share = self.gate(inputs).softmax(1)
            return torch.einsum("ne,enc->nc", share, torch.stack([expert(inputs) for expert in self.experts]))

    return Setup(
        _Experts(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=25,
    )


@healthy(tags=("mlp", "regression", "sets"))
def deep_sets(seed: int) -> Setup:
    """A sum over the members of a set between two small nets; the target is the spread of the set."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(43)
    sets = torch.randn(1600, 10, 2, generator=g) * (0.3 + torch.rand(1600, 1, 2, generator=g))
    data = cut(sets, sets.std(1).sum(1, keepdim=True)).standardised_targets()

    class _Sets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.member = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
            self.whole = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, sets: Tensor) -> Tensor:
            return self.whole(self.member(sets).sum(1))

    return Setup(
        _Sets(),
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        r2,
        epochs=12,
    )
