"""Training after the search equals training without it, bit for bit."""

import random

import numpy as np
import pytest
import torch
from lr_problems import digits, mlp, normed
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from latih import find_lr

RANGE = dict(steps=30, high=10.0)


def data(n=200):
    return tuple(part[:n] for part in digits()[0])


def loader(kind):
    pairs = TensorDataset(*data())
    if kind == "global":
        return DataLoader(pairs, batch_size=20, shuffle=True)
    if kind == "own":
        return DataLoader(pairs, batch_size=20, shuffle=True, generator=torch.Generator().manual_seed(3))
    if kind == "workers that stay":
        return DataLoader(pairs, batch_size=20, shuffle=True, num_workers=1, persistent_workers=True)
    return DataLoader(pairs, batch_size=20, sampler=RandomSampler(pairs, generator=torch.Generator().manual_seed(4)))


def two_groups(model):
    *first, last = model.parameters()
    return torch.optim.AdamW([{"params": first, "lr": 1e-3}, {"params": [last], "lr": 1e-2}])


def run(optimize, batches, *, search, make=normed, begun=True):
    """A few updates before, the search or nothing, and a few updates after; everything that is left."""
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    model = make()
    optimizer = optimize(model)

    def epoch():
        for inputs, targets in batches:
            optimizer.zero_grad()
            cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    if begun:
        epoch()
    modes = [module.training for module in model.modules()]
    if search:
        assert find_lr(model, batches, optimizer=optimizer, **RANGE).rates
    assert modes == [module.training for module in model.modules()]
    grads = [None if one.grad is None else one.grad.clone() for one in model.parameters()]
    epoch()
    state = [value for held in optimizer.state.values() for value in held.values()]
    drawn = torch.rand(3), torch.tensor(np.random.rand(3)), torch.tensor([random.random()])
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return [*model.state_dict().values(), *grads, *state, *drawn], groups


def same(one, other):
    tensors, groups = zip(one, other, strict=True)
    assert groups[0] == groups[1]
    assert len(tensors[0]) == len(tensors[1])
    for a, b in zip(*tensors, strict=True):
        assert (a is b is None) or torch.equal(torch.as_tensor(a), torch.as_tensor(b))


OPTIMIZERS = {
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "groups": two_groups,
}


@pytest.mark.parametrize("kind", ["global", "own", "sampler"])
@pytest.mark.parametrize("optimize", OPTIMIZERS)
def test_training_goes_on_as_if_nothing_had_happened(kind, optimize):
    without, with_it = (run(OPTIMIZERS[optimize], loader(kind), search=search) for search in (False, True))
    same(without, with_it)


@pytest.mark.slow
def test_workers_that_stay_draw_the_seeds_that_they_would_have_drawn():
    without, with_it = (
        run(OPTIMIZERS["sgd"], loader("workers that stay"), search=search, begun=False) for search in (False, True)
    )
    same(without, with_it)


class Uncopyable(nn.Sequential):
    def __deepcopy__(self, memo):
        raise RuntimeError("there is only one")


def test_a_model_that_cannot_be_copied_is_put_back():
    def make():
        return Uncopyable(*normed())

    without, with_it = (run(OPTIMIZERS["groups"], loader("own"), search=search, make=make) for search in (False, True))
    same(without, with_it)
    finding = find_lr(make(), data(), **RANGE)
    assert "there is only one" in finding.notes[0]
    assert finding.lr == find_lr(normed(), data(), **RANGE).lr


def test_gradients_that_somebody_still_needs_are_left_alone_though_the_loss_reaches_the_model():
    model = mlp()
    cross_entropy(model(data()[0]), data()[1]).backward()
    held = [(one.grad, one.grad.clone()) for one in model.parameters()]
    find_lr(model, data(), loss=lambda o, t: cross_entropy(o, t) + 1e-4 * model[0].weight.square().sum(), **RANGE)
    for one, (grad, was) in zip(model.parameters(), held, strict=True):
        assert one.grad is grad
        assert torch.equal(grad, was)


def test_hooks_of_the_user_do_not_run_and_stay():
    model, calls = mlp(), []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    find_lr(model, data(), **RANGE)
    assert calls == []
    model(data()[0])
    assert calls == [1]


def test_an_evaluating_model_without_gradients_recorded_stays_so():
    model = normed().eval()
    with torch.no_grad():
        finding = find_lr(model, data(), **RANGE)
    assert finding.rates
    assert not any(module.training for module in model.modules())


def test_the_same_search_gives_the_same_answer():
    one, other = (find_lr(normed(), data(), **RANGE).to_dict() for _ in range(2))
    assert one == other
