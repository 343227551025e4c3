"""The ops between what a model put out and the loss, read from a graph that is still there."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.tape import loss_path


@pytest.fixture
def output():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))(torch.randn(8, 4))


LABELS = torch.arange(8) % 3
VALUES = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
LOSSES = {
    "cross entropy": (lambda o: F.cross_entropy(o, LABELS), ["log_softmax", "nll", "mean"]),
    "summed": (lambda o: F.cross_entropy(o, LABELS, reduction="sum"), ["log_softmax", "nll", "sum"]),
    "softmax first": (lambda o: F.cross_entropy(o.softmax(1), LABELS), ["softmax", "log_softmax", "nll", "mean"]),
    "squares": (lambda o: F.mse_loss(o, VALUES), ["mse", "mean"]),
    "squares by hand": (lambda o: ((o - VALUES) ** 2).mean(), ["sub", "pow", "mean"]),
    "negated": (lambda o: -F.mse_loss(o, VALUES), ["mse", "mean", "neg"]),
    "views are not told": (lambda o: (o.view(-1) - VALUES.view(-1)).abs().sum(), ["sub", "abs", "sum"]),
    "root": (lambda o: (o - VALUES).square().sum(1).sqrt().mean(), ["sub", "pow", "sum", "sqrt", "mean"]),
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_names_are_in_forward_order(name, known, output):
    loss, wanted = LOSSES[name]
    assert loss_path(loss(output), [output] if known else []).names == wanted


def test_nothing_of_the_model_is_in_it(output):
    path = loss_path(F.mse_loss(output, VALUES), [output])
    assert [node.name() for node in path.nodes] == ["MseLossBackward0"]


def test_a_loss_among_the_outputs_does_not_end_the_path(output):
    loss = F.cross_entropy(output, LABELS)
    assert loss_path(loss, [loss, output]).names == ["log_softmax", "nll", "mean"]
    assert loss_path(loss, [loss]).names == ["log_softmax", "nll", "mean"]
    assert loss_path(3 * loss, [loss, output]).names == ["log_softmax", "nll", "mean", "mul"]


def test_an_output_that_the_loss_does_not_look_at_changes_nothing(output):
    other = output.exp()
    assert loss_path(F.mse_loss(output, VALUES), [other, output]).names == ["mse", "mean"]


def test_a_penalty_on_the_weights_is_left_out_of_the_path_from_the_output():
    model = nn.Linear(4, 3)
    output = model(torch.randn(8, 4))
    loss = F.mse_loss(output, VALUES) + 0.1 * model.weight.square().sum()
    assert loss_path(loss, [output]).names == ["mse", "mean", "add"]


def test_the_graph_can_still_be_differentiated(output):
    loss = F.mse_loss(output, VALUES)
    loss_path(loss, [output])
    loss.backward()
