"""Optimizers whose result is another point than the one they train at."""

import copy
import io

import pytest
import torch
from torch import nn

from latih import optim
from latih._checks import InputError

NAMES = ["nesterov", "schedule_free_sgd", "schedule_free_adamw"]
switching = pytest.mark.parametrize("name", NAMES)


def problem(name):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    return model, getattr(optim, name)(lr=0.02)(model)


def train(model, optimizer, seeds):
    for seed in seeds:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        (model(x) - x[:, :3]).square().mean().backward()
        optimizer.step()


def weights(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@switching
def test_evaluating_never_changes_training(name):
    model, optimizer = problem(name)
    other, twin = copy.deepcopy((model, optimizer))
    train(model, optimizer, range(10))
    for seed in range(10):
        train(other, twin, [seed])
        before = weights(other)
        twin.eval()
        shown = weights(other)
        twin.eval()  # twice is once
        assert same(shown, weights(other))
        assert not same(shown, before) or (seed == 0 and "schedule_free" in name)  # x = y = z after the first update
        twin.train()
        twin.train()
        assert same(before, weights(other))
    assert same(weights(model), weights(other))


@switching
def test_before_the_first_update_both_points_are_the_parameters(name):
    model, optimizer = problem(name)
    before = weights(model)
    optimizer.eval()
    assert same(before, weights(model))
    optimizer.train()
    assert same(before, weights(model))


@switching
def test_a_step_while_evaluating_is_refused(name):
    model, optimizer = problem(name)
    train(model, optimizer, range(2))
    optimizer.eval()
    with pytest.raises(InputError, match=r"\.step\(\): .*call optimizer\.train\(\) before the next batch\.$"):
        optimizer.step()
    optimizer.train()
    optimizer.step()


@switching
@pytest.mark.parametrize("evaluating", [False, True])
def test_a_state_saved_at_either_point_continues_bit_equal(name, evaluating):
    model, optimizer = problem(name)
    train(model, optimizer, range(5))
    if evaluating:
        optimizer.eval()
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    optimizer.train()

    other, resumed = problem(name)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    if evaluating:
        with pytest.raises(InputError):
            resumed.step()
        resumed.train()
    train(model, optimizer, range(5, 10))
    train(other, resumed, range(5, 10))
    assert same(weights(model), weights(other))


@switching
def test_migrating_while_evaluating_carries_the_point(name):
    model, optimizer = problem(name)
    train(model, optimizer, range(5))
    other = copy.deepcopy(model)
    optimizer.eval()
    shown = copy.deepcopy(model)
    new = getattr(optim, name)(lr=0.02)(shown)
    optim.migrate(optimizer, new, shown, old_model=model)
    new.train()
    assert same(weights(shown), weights(other))
    assert not same(weights(model), weights(other))


def test_the_result_of_schedule_free_is_the_average_of_its_iterates():
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.schedule_free_sgd(lr=0.1)([w])
    total = weight = 0.0
    for step in range(30):
        optimizer.param_groups[0]["lr"] = lr = 0.1 * min((step + 1) / 10, 1.0)  # a warm-up weighs less
        w.grad = torch.tensor([2.0, 0.1], dtype=torch.float64) * w.detach()
        optimizer.step()
        total, weight = total + lr**2 * optimizer.state[w]["z"], weight + lr**2
        optimizer.eval()
        torch.testing.assert_close(w.detach(), total / weight, rtol=1e-12, atol=1e-14)
        optimizer.train()


def test_a_momentum_that_a_schedule_moves_leaves_the_average_right():
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.schedule_free_sgd(lr=0.1)([w])
    z = x = w.detach().clone()
    for step in range(1, 31):
        optimizer.param_groups[0]["momentum"] = beta = 0.85 + 0.1 * (step % 4) / 4
        w.grad = w.detach() * 0.7
        z = z - 0.1 * w.grad
        x = (1 - 1 / step) * x + z / step
        optimizer.step()
        torch.testing.assert_close(w.detach(), (1 - beta) * z + beta * x, rtol=1e-10, atol=1e-12)
    optimizer.eval()
    torch.testing.assert_close(w.detach(), x, rtol=1e-10, atol=1e-12)
    optimizer.train()
    optimizer.param_groups[0]["momentum"] = 0.0
    with pytest.raises(InputError, match=r"the momentum must stay above 0"):
        optimizer.step()


def test_the_average_beats_the_last_iterate_under_noise():
    generator = torch.Generator().manual_seed(0)
    w = torch.full((200,), 1.0, dtype=torch.float64, requires_grad=True)
    optimizer = optim.schedule_free_sgd(lr=0.5)([w])
    for _ in range(400):
        w.grad = w.detach() + torch.randn(200, dtype=torch.float64, generator=generator)
        optimizer.step()
    last = optimizer.state[w]["z"].square().mean()
    optimizer.eval()
    assert w.square().mean() < 0.2 * last
