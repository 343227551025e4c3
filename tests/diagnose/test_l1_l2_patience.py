"""A warning about structure or data waits for a second signal; a run on its way, or one that copes, gets none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import latih
from latih.diagnose import Curve, judge
from latih.diagnose._trouble import above, trouble
from latih.diagnose._wiring import bends
from latih.watch import Layer, Loss, Record


def run(losses: list[float], *, ended: bool = False) -> Record:
    loss = Loss(ops=["mse", "mean"], kind="mse", reduction="mean", baseline=1.0, floor=0.0)
    return Record(loss=loss, losses=[*losses], updates=len(losses), ended=ended)


def test_a_run_on_its_way_down_to_the_best_constant_is_in_no_trouble_yet():
    way = [20 * math.exp(-step / 20) + 1.5 + 0.01 * (step % 3) for step in range(36)]
    assert trouble(run(way)) is None
    assert trouble(run(way, ended=True)) is not None


def test_a_run_that_stands_still_above_the_best_constant_is_in_trouble():
    assert trouble(run([3.0 + 0.1 * (step % 3) for step in range(36)])) is not None


def test_a_long_way_at_a_slow_pace_is_trouble_at_once():
    curve = Curve.of(run([1e4 - step for step in range(60)]))
    assert above(curve)


def test_a_leaky_function_of_slope_one_is_a_straight_line():
    layer = Layer(name="0", parameter="0.weight", kind="linear", activation="leaky_relu")
    layer.constants = {"negative_slope": 1.0}
    assert not bends(layer)
    layer.constants = {"negative_slope": 0.2}
    assert bends(layer)


@pytest.mark.parametrize(("rate", "found"), [(1e-4, False), (0.5, True)])
def test_a_sum_is_a_wrong_loss_only_where_it_makes_steps_too_long(rate: float, found: bool):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    x = torch.randn(64, 8)
    findings = latih.check(
        net, (x, x[:, 0]), nn.MSELoss(reduction="sum"), optimizer=torch.optim.SGD(net.parameters(), lr=rate)
    )
    graves = [one.name for one in findings if one.severity != "info"]
    assert ("wrong-loss" in graves) is found


def test_one_superfluous_linear_layer_is_no_warning_before_a_run():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(12, 16), nn.Linear(16, 1), nn.Flatten(0)), torch.randn(64, 12)
    findings = latih.check(net, (x, x @ torch.randn(12)), nn.MSELoss())
    assert all(one.severity == "info" for one in judge(findings.record) if one.name == "missing-nonlinearity")  # pyright: ignore
