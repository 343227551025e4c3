"""L305: rectified units that never fire."""

import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine
from latih.diagnose.rules._l305_dead_units import RULE
from latih.watch import Layer, Loss, Probes, Reading, Record, Sample


def record(dead: float, *, fitted: float = 2.25, activation: str = "relu", examples: int = 32, **layer) -> Record:
    readings = [Reading(layer="a", dead=dead, zeros=dead, out_std=1.0, weight_grad=0.1)]
    return Record(
        layers=[Layer(name="a", parameter="a", kind="linear", activation=activation, **layer)],
        samples=[Sample(step=0, readings=readings)],
        probes=Probes(fit_safe=[2.3, fitted], blind=[2.3, 2.25]),
        batch_size=examples,
        loss=Loss(baseline=2.3, floor=0.0),
    )


def test_a_layer_that_lost_most_of_its_units_is_found_where_nothing_is_learned():
    (finding,) = RULE.judge(record(0.8))
    assert (finding.where, finding.evidence["dead"], finding.evidence["at_most"]) == ("a", 0.8, 0.5)


def test_it_passes_with_a_few_dead_units_and_where_the_batch_is_fitted():
    assert RULE.judge(record(0.4)) == []
    assert RULE.judge(record(0.8, fitted=0.3)) == []


def test_a_closed_layer_needs_no_further_proof():
    one = record(1.0, fitted=0.3)
    one.samples[0].readings[0].weight_grad = 0.0
    (finding,) = RULE.judge(one)
    assert finding.evidence["signal"] == 0.0


def test_a_closed_layer_beside_which_the_signal_passes_is_not_one():
    one = record(1.0, fitted=0.3)
    one.samples[0].readings[0].weight_grad = 0.0
    one.layers.append(Layer(name="b", parameter="b", kind="linear", activation="relu"))
    one.samples[0].readings.append(Reading(layer="b", dead=0.1, out_std=1.0, weight_grad=0.1, alive_spread=0.9))
    assert RULE.judge(one) == []


def test_it_applies_to_rectifiers_outside_branches_and_to_enough_examples():
    assert isinstance(RULE.judge(record(0.9, activation="tanh")), NotApplicable)
    assert isinstance(RULE.judge(record(0.9, in_residual=True)), NotApplicable)
    assert isinstance(RULE.judge(record(0.9, examples=4)), NotApplicable)
    assert isinstance(RULE.judge(Record()), NotApplicable)


def test_units_that_great_steps_have_killed_are_said_after_the_rate():
    alive = Reading(layer="a", dead=0.0, out_std=1.0, weight_change=0.9, alive_spread=0.5)
    gone = Reading(layer="a", dead=0.9, out_std=1.0, weight_change=0.0, alive_spread=0.0, zeros=0.9)
    layers = [Layer(name="a", parameter="a", kind="linear", activation="relu")]
    samples = [Sample(step=step, readings=[alive if step < 5 else gone]) for step in (0, 1, 5, 10)]
    one = Record(layers=layers, samples=samples, losses=[2.3] * 40, updates=40, batch_size=32)
    one.loss = Loss(baseline=2.3, floor=0.0)
    (finding,) = RULE.judge(one)
    assert finding.weight < 1
    assert finding.evidence["dead_at_start"] == 0.0


def checked(bias: float) -> list:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 3))
    nn.init.constant_(net[2].bias, bias)
    inputs = torch.randn(64, 8)
    return RULE.judge(examine(net, (inputs, inputs[:, :3].argmax(1)), F.cross_entropy, optimizer="adam(lr=0.001)"))


def test_a_bias_of_minus_ten_has_it_and_zero_has_not():
    (finding,) = checked(-10.0)
    assert finding.name == "dead-units"
    assert finding.where == "2"
    assert checked(0.0) == []


def test_weights_whose_gradient_is_gone_for_good_are_behind_units_that_died():
    def sample(step, gradient):
        readings = [Reading(layer="code", weight_grad=gradient), Reading(layer="head", weight_grad=0.5)]
        return Sample(step=step, grad_norm=0.6, readings=readings)

    samples = [sample(0, 0.3), *(sample(step, 0.0) for step in (40, 80, 120))]
    run = Record(samples=samples, losses=[1.0] * 130, loss=Loss(kind="mse", ops=["mse"], baseline=1.0, floor=0.0))
    (finding,) = RULE.judge(run)
    assert (finding.where, finding.evidence["at the last samples"]) == ("code", 0.0)
    run.samples[2] = sample(80, 1e-9)
    assert isinstance(RULE.judge(run), NotApplicable)
