"""L302: what the first layers hear of the loss is nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine
from latih.diagnose.rules._l302_vanishing_gradient import RULE
from latih.watch import Layer, Loss, Probes, Reading, Record, Sample, Values


def record(factor: float, *, fitted: float = 2.25, reached: float = 2.25, depth: int = 8, **layer) -> Record:
    """A chain in which every layer passes `factor` of the gradient on."""
    names = [str(place) for place in range(depth)]
    return Record(
        layers=[
            Layer(name=name, parameter=name, kind="linear", activation="sigmoid", is_head=name == names[-1], **layer)
            for name in names
        ],
        samples=[
            Sample(
                step=0,
                readings=[Reading(layer=name, grad_norm=factor ** (depth - place)) for place, name in enumerate(names)],
            )
        ],
        probes=Probes(fit=[2.3, reached], fit_safe=[2.3, fitted], blind=[2.3, 2.25]),
        loss=Loss(baseline=2.3, floor=0.0),
    )


def test_a_gradient_that_falls_with_depth_is_found_where_nothing_is_learned():
    (finding,) = RULE.judge(record(0.2))
    assert finding.evidence["factor_a_layer"] == pytest.approx(0.2)
    assert finding.evidence["at_least"] == 1e-3
    assert finding.where == "0"


def test_it_passes_where_the_batch_is_fitted():
    assert RULE.judge(record(0.2, fitted=0.4)) == []


def test_below_rounding_it_is_enough_that_the_user_s_optimizer_fails():
    assert RULE.judge(record(0.05, fitted=0.4))
    assert RULE.judge(record(0.05, fitted=0.4, reached=0.5)) == []


def test_a_gentle_fall_passes():
    assert RULE.judge(record(0.5)) == []


def test_layers_in_residual_branches_do_not_count():
    assert RULE.judge(record(0.1, in_residual=True)) == []


def test_without_readings_it_does_not_apply():
    assert isinstance(RULE.judge(Record()), NotApplicable)


def over_time(share: float, losses: list[float]) -> Record:
    layers = [
        Layer(name="across", parameter="across", kind="linear", activation="sigmoid", shared=True),
        Layer(name="head", parameter="head", kind="linear", is_head=True),
    ]
    readings = [Reading(layer="across", grad_norm=share, alive_spread=0.5), Reading(layer="head", grad_norm=1.0)]
    samples = [Sample(step=step, readings=readings) for step in (0, 10, 20, 40)]
    return Record(layers=layers, samples=samples, losses=losses, updates=60, loss=Loss(baseline=2.3, floor=0.0))


def test_a_gradient_that_is_lost_over_time_is_found_in_a_run_that_learns_little():
    falling = [2.4 - 0.01 * step for step in range(60)]
    (finding,) = RULE.judge(over_time(1e-15, falling))
    assert finding.evidence["first_step_over_head"] == 1e-15
    assert finding.evidence["learned_at_least"] == 0.5
    assert RULE.judge(over_time(1e-15, [2.4 * 0.93**step for step in range(60)])) == []
    assert RULE.judge(over_time(1e-6, falling)) == []


def checked(activation: type[nn.Module]) -> list:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(8, 32), activation()]
    for _ in range(8):
        layers += [nn.Linear(32, 32), activation()]
    net = nn.Sequential(*layers, nn.Linear(32, 3))
    inputs = torch.randn(64, 8)
    return RULE.judge(examine(net, (inputs, inputs[:, :3].argmax(1)), F.cross_entropy, optimizer="adam(lr=0.001)"))


def test_nine_sigmoid_layers_have_it_and_elu_has_not():
    (finding,) = checked(nn.Sigmoid)
    assert finding.name == "vanishing-gradient"
    assert finding.evidence["first_over_last"] < 1e-3
    assert checked(nn.ELU) == []


def forgetful(deviation: float, losses: list[float | None]) -> Record:
    """A recurrent layer of 25 units over 60 steps."""
    return Record(
        layers=[Layer(name="hh", parameter="hh", kind="rnn", fan_in=25, fan_out=25, recurrent=True)],
        samples=[Sample(step=0, readings=[Reading(layer="hh", weight_std=deviation)])],
        inputs=Values(shape=(16, 60, 2), dtype="float32"),
        batch_size=16,
        losses=losses,
        updates=len(losses),
        loss=Loss(kind="cross_entropy", baseline=0.7, floor=0.0),
    )


def test_a_state_that_is_halved_at_every_step_is_found_where_nothing_is_learned():
    still: list[float | None] = [0.7 + 0.02 * math.sin(7 * step) for step in range(150)]
    (finding,) = RULE.judge(forgetful(0.1, still))
    assert (finding.where, finding.evidence["steps"]) == ("hh", 60)
    assert RULE.judge(forgetful(0.2, still)) in ([], NotApplicable("no layers in a row were read"))
    learned: list[float | None] = [0.7 - 0.004 * step for step in range(150)]
    assert not isinstance(RULE.judge(forgetful(0.1, learned)), list)
