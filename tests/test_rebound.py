"""A loss that reads the model reads the copy."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import latih
from latih._rebound import rebound

model = nn.Linear(3, 2)
with torch.no_grad():
    model.weight.fill_(2.0)


def named(output, target):
    return F.cross_entropy(output, target) + sum(one.abs().sum() for one in model.parameters())


def closing(net):
    def penalty():
        return sum(one.abs().sum() for one in net.parameters())

    return lambda output, target: F.cross_entropy(output, target) + penalty()


def by_default(output, target, net=model):
    return F.cross_entropy(output, target) + net.weight.abs().sum() + net.bias.abs().sum()


def with_argument(net, output, target):
    return F.cross_entropy(output, target) + net.weight.abs().sum() + net.bias.abs().sum()


class Penalised:
    def __init__(self, net):
        self.net, self.asked = net, 0

    def __call__(self, output, target):
        self.asked += 1
        return F.cross_entropy(output, target) + sum(one.abs().sum() for one in self.net.parameters())

    def method(self, output, target):
        return self(output, target)


class Registered(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, output, target):
        return F.cross_entropy(output, target) + sum(one.abs().sum() for one in self.net.parameters())


LOSSES = {
    "a global": named,
    "a closure in a closure": closing(model),
    "a default": by_default,
    "partial": functools.partial(with_argument, model),
    "an object": Penalised(model),
    "a method": Penalised(model).method,
    "a module": Registered(model),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_penalty_is_taken_of_the_copy(name):
    memo: dict = {}
    copied = copy.deepcopy(model, memo)
    with torch.no_grad():
        copied.weight.mul_(10)
    x, y = torch.randn(8, 3), torch.zeros(8, dtype=torch.long)
    loss = rebound(LOSSES[name], memo)
    plain = F.cross_entropy(copied(x), y)
    value = loss(copied(x), y)
    torch.testing.assert_close(value - plain, copied.weight.abs().sum() + copied.bias.abs().sum())
    value.backward()
    assert model.weight.grad is None
    assert bool((copied.weight.grad > 0.5).all())
    own = LOSSES[name](model(x), y)
    torch.testing.assert_close(own - F.cross_entropy(model(x), y), model.weight.abs().sum() + model.bias.abs().sum())


def test_what_refers_to_nothing_that_was_copied_stays_itself():
    memo: dict = {}
    copy.deepcopy(nn.Linear(2, 2), memo)
    for loss in (F.cross_entropy, named, LOSSES["a closure in a closure"], LOSSES["an object"], LOSSES["partial"]):
        assert rebound(loss, memo) is loss


def test_a_penalty_by_hand_that_is_too_large_is_found_and_healed_away_from_the_model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
    before = copy.deepcopy(net.state_dict())
    x = torch.randn(600, 10)
    y = (x @ torch.randn(10, 3)).argmax(1)

    def loss(output, target):
        return F.cross_entropy(output, target) + sum(one.square().sum() for one in net.parameters())

    healing = latih.heal(net, (x, y), loss=loss, recipe=latih.Recipe(epochs=30, schedule="constant()"))
    control = healing.trials[0]
    assert control.losses[-1] < control.losses[0] - 1.5  # the penalty of the copy's weights went down with them
    assert all(torch.equal(one, before[name]) for name, one in net.state_dict().items())
    assert all(one.grad is None for one in net.parameters())
