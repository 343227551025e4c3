import itertools
import math

import pytest
import torch
from torch import nn

from latih.optim import Muon, muon


class Tied(nn.Module):
    """A language model in small: the head is the embedding."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.inner = nn.Linear(8, 8)
        self.outer = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight


def mlp(*widths):
    return nn.Sequential(*[nn.Linear(a, b) for a, b in itertools.pairwise(widths)])


def hidden(model, decay=0.1):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = muon(weight_decay=decay)(model).param_groups
    assert sorted(names.values()) == sorted(names[id(p)] for group in groups for p in group["params"])
    return [names[id(p)] for group in groups if group["hidden"] for p in group["params"]]


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (mlp(4, 8, 8, 8, 2), ["1.weight", "2.weight"]),
        (mlp(4, 8, 2), []),
        (nn.Linear(4, 2), []),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.LazyLinear(9), nn.Linear(9, 2)),
            ["3.weight"],
        ),
        (
            nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Embedding(4, 4), nn.Linear(4, 2)),
            ["2.weight"],
        ),
        (Tied(), ["inner.weight", "outer.weight"]),
    ],
    ids=["deep", "two layers", "one layer", "convolutions", "embedding", "tied"],
)
def test_only_hidden_matrices_are_orthogonalised(model, expected, decay):
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(torch.zeros(1, 1, 8, 8))
    assert hidden(model, decay) == expected


def test_a_frozen_first_layer_is_still_the_first():
    model = mlp(4, 8, 8, 2)
    model[0].requires_grad_(False)
    groups = muon()(model).param_groups
    assert next(p for g in groups if g["hidden"] for p in g["params"]) is model[1].weight


def test_decay_spares_biases_in_both_halves():
    groups = muon(weight_decay=0.2)(mlp(4, 8, 8, 2)).param_groups
    assert [(g["hidden"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (True, 0.2, 1),
        (False, 0.2, 2),
        (False, 0.0, 3),
    ]


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (12, 12)])
def test_the_step_is_nearly_orthogonal_and_of_adamws_size(shape):
    torch.manual_seed(0)
    w = torch.zeros(shape, requires_grad=True)
    w.grad = torch.randn(shape)
    Muon([{"params": [w], "hidden": True}], lr=1.0, weight_decay=0.0).step()
    singular = torch.linalg.svdvals(w.detach() / (0.2 * math.sqrt(max(shape))))
    assert singular.min() > 0.5
    assert singular.max() < 1.3
    assert w.detach().square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)  # an AdamW step's usual size


def test_groups_of_bare_parameters_are_parted_by_order():
    first, inner, last = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)
    groups = [{"params": first.parameters()}, {"params": [*inner.parameters(), *last.parameters()], "lr": 0.5}]
    parted = Muon(groups, lr=0.1).param_groups
    assert [(g["hidden"], g["lr"], len(g["params"])) for g in parted] == [
        (False, 0.1, 2),
        (True, 0.5, 1),
        (False, 0.5, 3),
    ]


def test_an_added_group_is_adamws_unless_it_says_hidden():
    optimizer = muon()(mlp(4, 8, 8, 2))
    optimizer.add_param_group({"params": [torch.zeros(2, 2, requires_grad=True)]})
    assert optimizer.param_groups[-1]["hidden"] is False
    assert "betas" in optimizer.param_groups[-1]
    optimizer.add_param_group({"params": [torch.zeros(2, 2, requires_grad=True)], "hidden": True})
    assert "ns_steps" in optimizer.param_groups[-1]
