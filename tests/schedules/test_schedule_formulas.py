"""Each schedule against its formula, written out a second time with numpy in float64."""

import numpy as np
import pytest

from latih import schedules

T = np.arange(0, 3000, dtype=np.float64)


def trace(schedule):
    return np.array([schedule(int(t)) for t in T])


def same(schedule, expected):
    np.testing.assert_allclose(trace(schedule), expected, rtol=1e-13, atol=1e-15)


def test_constant_never_moves():
    same(schedules.constant(), np.ones_like(T))
    same(schedules.constant(factor=0.3), np.full_like(T, 0.3))


@pytest.mark.parametrize(("s", "c"), [(1000, 1.0), (1, 1.0), (250, 0.5), (700, 2.0)])
def test_power(s, c):
    same(schedules.power(s, c), 1 / np.power(1 + T / s, c))


@pytest.mark.parametrize(("s", "f"), [(1000, 0.1), (20, 0.1), (300, 0.7), (5, 1.0)])
def test_exponential(s, f):
    same(schedules.exponential(s, f), np.exp(T / s * np.log(f)))


def test_piecewise():
    expected = np.where(T < 100, 1.0, np.where(T < 250, 0.2, 0.05))
    same(schedules.piecewise((100, 250), (1.0, 0.2, 0.05)), expected)
    same(schedules.piecewise((), (0.5,)), np.full_like(T, 0.5))


@pytest.mark.parametrize(("steps", "floor"), [(1000, 0.0), (1000, 0.1), (1, 0.0), (2500, 1.0)])
def test_cosine(steps, floor):
    same(schedules.cosine(steps, floor), floor + (1 - floor) * np.cos(np.pi / 2 * np.minimum(T / steps, 1)) ** 2)


@pytest.mark.parametrize(("steps", "floor"), [(1000, 0.0), (1000, 0.1), (1, 0.0)])
def test_linear(steps, floor):
    same(schedules.linear(steps, floor), np.interp(T, [0, steps], [1, floor]))


@pytest.mark.parametrize(("steps", "start"), [(500, 0.0), (500, 0.25), (1, 0.0), (2, 0.0)])
def test_warmup(steps, start):
    same(schedules.warmup(steps, start), np.interp(T + 1, [0, steps], [start, 1]))


def test_warmup_never_wastes_an_update():
    assert schedules.warmup(500)(0) == pytest.approx(1 / 500)
    assert schedules.warmup(500)(498) < schedules.warmup(500)(499) == 1.0


@pytest.mark.parametrize(("warm", "tail"), [(0.5, 0.1), (0.3, 0.0), (0.0, 0.2), (0.4, 0.5)])
def test_one_cycle(warm, tail):
    knots = [0, 1000 * warm, 1000 * (1 - tail), 1000]
    schedule = schedules.one_cycle(1000, start=0.04, final=1e-5, warm=warm, tail=tail)
    rates, moments = [0.04, 1, 0.04, 1e-5], [0.95, 0.85, 0.95, 0.95]
    kept = slice(1, None) if warm == 0 else slice(0, 3) if tail == 0 else slice(None)  # interp wants rising knots
    inside = T < 1000
    np.testing.assert_allclose(trace(schedule)[inside], np.interp(T, knots[kept], rates[kept])[inside], rtol=1e-12)
    momentum = np.array([schedule.momentum_at(int(t)) for t in T])
    np.testing.assert_allclose(momentum, np.interp(T, knots[kept], moments[kept]), rtol=1e-13)
    assert all(trace(schedule)[~inside] == 1e-5)


def test_one_cycle_peaks_at_half_and_ends_orders_lower():
    schedule = schedules.one_cycle(1000)
    values = trace(schedule)[:1000]
    assert values.argmax() == 500
    assert values[500] == 1.0
    assert values[0] == 0.04
    assert values[999] < 1e-3 * values.max()
    assert schedule(1000) == 1e-5


def test_one_cycle_mirrors_the_momentum():
    schedule = schedules.one_cycle(1000)
    rates = np.array([schedule(t) for t in range(901)])
    moments = np.array([schedule.momentum_at(t) for t in range(901)])
    np.testing.assert_allclose((moments - 0.85) / 0.10, 1 - (rates - 0.04) / 0.96, atol=1e-12)
    assert schedules.one_cycle(10, momentum=None).momentum_at(3) is None
    assert schedules.cosine(10).momentum_at(3) is None


@pytest.mark.parametrize("name", ["exponential", "linear"])
def test_equals_torch_where_torch_has_the_same_schedule(name):
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    ours, theirs = {
        "exponential": (
            schedules.exponential(100),
            lambda: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1**0.01),
        ),
        "linear": (schedules.linear(100, 0.2), lambda: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.2, 100)),
    }[name]
    scheduler = theirs()
    for step in range(150):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()
