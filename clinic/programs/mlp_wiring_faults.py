"""Nets on vectors of which a part does not learn: not reached by the loss, frozen, or unknown to the optimizer."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, friedman, parity, rings, spirals, table
from .._scores import accuracy, binary_accuracy, r2


class WideAndDeep(nn.Module):
    """A linear path and a deep path whose outputs are added, unless the sum is forgotten."""

    def __init__(self, columns: int, deep: bool):
        super().__init__()
        self.wide = nn.Linear(columns, 1)
        self.deep = nn.Sequential(nn.Linear(columns, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
        self.use_deep = deep

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        return (wide + self.deep(x) if self.use_deep else wide).flatten()


@faulty("unreached-parameters", also=("missing-nonlinearity", "underfitting"), tags=("mlp", "regression", "branches"))
def friedman_deep_path_forgotten(seed: int, fixed: bool) -> Setup:
    """A wide-and-deep net builds its deep path but returns the wide one alone."""
    torch.manual_seed(seed)
    return Setup(
        WideAndDeep(10, fixed),
        F.mse_loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *friedman().standardised().standardised_targets().parts,
        r2,
        batch_size=32,
        epochs=20,
    )


class Encoded(nn.Module):
    """An encoder to a few numbers and a classifier on them; `cut` cuts the gradient between."""

    def __init__(self, cut: bool):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 6))
        self.classifier = nn.Sequential(nn.ReLU(), nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 10))
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x.flatten(1))
        if self.cut:
            code = code.detach()
        return self.classifier(code)


@faulty("unreached-parameters", tier="real", tags=("mlp", "classification", "real-data"))
def fashion_code_detached(seed: int, fixed: bool) -> Setup:
    """`detach()` between encoder and classifier: the encoder keeps its random weights."""
    torch.manual_seed(seed)
    return Setup(
        Encoded(not fixed),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *fashion(2000).parts,
        accuracy,
        batch_size=32,
        epochs=6,
    )


class Stepped(nn.Module):
    """Hidden units that fire or do not, or their smooth neighbour."""

    def __init__(self, hard: bool):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(4, 12), nn.Linear(12, 12), nn.Linear(12, 2)
        self.hard = hard

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = (layer(x) > 0).float() if self.hard else torch.sigmoid(4 * layer(x))
        return self.out(x)


@faulty("unreached-parameters", also=("not-learning",), tags=("mlp", "classification"))
def parity_hard_steps(seed: int, fixed: bool) -> Setup:
    """The activation is a comparison (`> 0`): no gradient passes it, only the last layer learns."""
    torch.manual_seed(seed)
    return Setup(
        Stepped(not fixed),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-2),
        *parity().parts,
        accuracy,
        batch_size=32,
        epochs=30,
    )


class TwoSources(nn.Module):
    """Measurements in two groups, each with a tower of its own."""

    def __init__(self, mixed_up: bool):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(5, 32), nn.GELU(), nn.Linear(32, 16), nn.GELU())
        self.right = nn.Sequential(nn.Linear(5, 32), nn.GELU(), nn.Linear(32, 16), nn.GELU())
        self.join = nn.Linear(32, 1)
        self.mixed_up = mixed_up

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.left(x[:, :5]), self.right(x[:, 5:])
        return self.join(torch.cat([left, left if self.mixed_up else right], dim=1)).squeeze(1)


@faulty("unreached-parameters", tags=("mlp", "regression", "branches"))
def friedman_same_tower_twice(seed: int, fixed: bool) -> Setup:
    """Of two towers the left one is concatenated twice; the columns of the right one never count."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    column_order = torch.tensor([0, 2, 5, 6, 7, 1, 3, 4, 8, 9])
    return Setup(
        TwoSources(not fixed),
        nn.MSELoss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=3e-3),
        *data.on_inputs(lambda x: x[:, column_order]).parts,
        r2,
        batch_size=40,
        epochs=25,
    )


@faulty("frozen-parameters", tier="real", tags=("mlp", "classification", "real-data"))
def fashion_body_left_frozen(seed: int, fixed: bool) -> Setup:
    """The lines that freeze a pretrained body were kept, but the body is new and random."""
    torch.manual_seed(seed)
    sizes = [784, 32, 16, 8]
    body = nn.Sequential(nn.Flatten())
    for n_in, n_out in itertools.pairwise(sizes):
        body.extend([nn.Linear(n_in, n_out), nn.ReLU()])
    model = nn.Sequential(body, nn.Linear(8, 10))
    if not fixed:
        for parameter in body.parameters():
            parameter.requires_grad = False
    return Setup(
        model,
        F.cross_entropy,
        lambda m: torch.optim.Adam([p for p in m.parameters() if p.requires_grad], lr=3e-3),
        *fashion(2000).parts,
        accuracy,
        batch_size=50,
        epochs=8,
    )


@faulty("frozen-parameters", tags=("mlp", "classification"))
def spirals_unfrozen_by_a_misspelt_name(seed: int, fixed: bool) -> Setup:
    """All but the last layer are unfrozen after warming up, by `require_grad`, which is only a new attribute."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(2, 24),
        nn.LeakyReLU(),
        nn.Linear(24, 24),
        nn.LeakyReLU(),
        nn.Linear(24, 24),
        nn.LeakyReLU(),
        nn.Linear(24, 2),
    )
    for layer in model[:-1].parameters():
        layer.requires_grad_(False)
    for layer in model[:-1].parameters():
        setattr(layer, "requires_grad" if fixed else "require_grad", True)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *spirals().parts,
        accuracy,
        batch_size=30,
        epochs=25,
    )


@faulty("unoptimised-parameters", tier="real", tags=("mlp", "classification", "transfer", "real-data"))
def digits_optimizer_older_than_the_head(seed: int, fixed: bool) -> Setup:
    """A trained, frozen body gets a new head after the optimizer was built, which goes on stepping the old head."""
    torch.manual_seed(seed)
    data = digits().columns()
    body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
    old_head, head = nn.Linear(32, 5), nn.Linear(32, 10)
    before = torch.optim.Adam([*body.parameters(), *old_head.parameters()], lr=3e-3)
    for _ in range(60):  # the earlier task: which pair of digits is it?
        before.zero_grad()
        F.cross_entropy(old_head(body(data.inputs)), data.targets // 2).backward()
        before.step()
    body.requires_grad_(False)
    return Setup(
        nn.Sequential(body, head),
        F.cross_entropy,
        lambda m: torch.optim.SGD(list(m.parameters())[-2:] if fixed else old_head.parameters(), lr=0.05, momentum=0.9),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=8,
    )


class Listed(nn.Module):
    """Hidden layers kept in a list."""

    def __init__(self, registered: bool, depth: int = 4, width: int = 12):
        super().__init__()
        self.enter = nn.Linear(6, width)
        layers = [nn.Linear(width, width) for _ in range(depth)]
        self.layers = nn.ModuleList(layers) if registered else layers
        self.leave = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.enter(x))
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.leave(x).flatten()


@faulty("unoptimised-parameters", tier="real", tags=("mlp", "classification", "binary"))
def rings_layers_in_a_plain_list(seed: int, fixed: bool) -> Setup:
    """Layers in a Python list are not registered, so `parameters()` does not give them to the optimizer."""
    torch.manual_seed(seed)
    return Setup(
        Listed(fixed),
        F.binary_cross_entropy_with_logits,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *rings().on_targets(Tensor.float).parts,
        binary_accuracy,
        batch_size=25,
        epochs=15,
    )


class Heads(nn.Module):
    """A shared body and one head for each of two values."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 4), nn.Tanh())
        self.heads = nn.ModuleDict({"alcohol": nn.Linear(4, 1), "class": nn.Linear(4, 3)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return torch.cat([self.heads["alcohol"](x), self.heads["class"](x)], dim=1)


@faulty("unoptimised-parameters", tags=("mlp", "regression", "classification", "multi-task", "real-data"))
def wine_only_the_heads_are_passed(seed: int, fixed: bool) -> Setup:
    """Of a body with two heads only the heads go to the optimizer."""
    torch.manual_seed(seed)
    data = table("wine").standardised()
    data = data._replace(
        inputs=data.inputs[:, 1:],
        valid_inputs=data.valid_inputs[:, 1:],
        targets=torch.stack([data.inputs[:, 0], data.targets.float()], 1),
        valid_targets=torch.stack([data.valid_inputs[:, 0], data.valid_targets.float()], 1),
    )

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output[:, 0], target[:, 0]) + F.cross_entropy(output[:, 1:], target[:, 1].long())

    def score(output: Tensor, target: Tensor) -> float:
        return -loss(output, target).item()

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, Heads)
        return torch.optim.Adam((model if fixed else model.heads).parameters(), lr=1e-2, weight_decay=1e-3)

    return Setup(Heads(), loss, optimizer, *data.parts, score, batch_size=16, epochs=20)
