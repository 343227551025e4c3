import copy
import itertools
import math

import pytest
import torch
from torch import nn

from latih.optim import Muon, groups, muon


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
            ["1.weight", "3.weight"],
        ),
        (
            nn.Sequential(
                nn.Conv1d(2, 4, 3),
                nn.Conv1d(4, 4, 3),
                nn.Conv1d(4, 4, 3, groups=4),
                nn.ConvTranspose1d(4, 4, 3),
                nn.Conv1d(4, 2, 3),
            ),
            ["1.weight"],
        ),
        (
            nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Embedding(4, 4), nn.Linear(4, 2)),
            ["2.weight"],
        ),
        (Tied(), ["inner.weight", "outer.weight"]),
    ],
    ids=["deep", "two layers", "one layer", "convolutions", "grouped", "embedding", "tied"],
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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_moves_as_torchs_muon_moves_its_flattened_matrix(layout):
    torch.manual_seed(0)
    begin = torch.randn(6, 4, 3, 3)
    weight = nn.Parameter(begin.clone(memory_format=layout))
    matrix = nn.Parameter(begin.reshape(6, 36).clone())
    ours = Muon([{"params": [weight], "hidden": True}], lr=0.1, weight_decay=0.2, momentum=0.9)
    theirs = torch.optim.Muon([matrix], lr=0.1, weight_decay=0.2, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    for _ in range(20):
        gradient = torch.randn(6, 4, 3, 3)
        weight.grad, matrix.grad = gradient.clone(memory_format=layout), gradient.reshape(6, 36).clone()
        ours.step()
        theirs.step()
        assert torch.equal(weight.reshape(6, 36), matrix)
        assert torch.equal(weight.grad, gradient)
    assert weight.is_contiguous(memory_format=layout)
    assert (weight - begin).abs().max() > 0.1


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)
    )


def test_a_convolutional_network_resumes_bit_equal():
    model = convolutional()
    optimizer = muon(lr=0.01)(model)
    x = torch.randn(8, 1, 8, 8)

    def train(model, optimizer):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    for _ in range(3):
        train(model, optimizer)
    other = copy.deepcopy(model)
    resumed = muon(lr=0.01)(other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(3):
        train(model, optimizer)
        train(other, resumed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert set(optimizer.state[model[2].weight]) == {"momentum_buffer"}
    assert set(optimizer.state) == set(model.parameters())


def test_groups_by_role_tell_the_embeddings():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Embedding(8, 8), nn.Linear(8, 2))
    optimizer = muon()(groups(model, lr=0.01, weight_decay=0.1))
    assert [(g["name"], len(g["params"])) for g in optimizer.param_groups] == [
        ("weight, hidden", 1),
        ("weight", 2),
        ("bias", 3),
        ("norm", 2),
        ("embedding", 1),
    ]


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
