"""L303: gradients that grow from layer to layer, or from update to update."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine
from latih.diagnose.rules._l303_exploding_gradient import RULE
from latih.watch import Layer, Loss, Origin, Probes, Reading, Record, Sample, Values


def record(factor: float, *, fit: tuple[float | None, ...] = (60.0, None), depth: int = 8) -> Record:
    """A chain in which every layer multiplies the gradient by `factor`."""
    names = [str(place) for place in range(depth)]
    return Record(
        layers=[Layer(name=one, parameter=one, kind="linear", is_head=one == names[-1]) for one in names],
        samples=[
            Sample(
                step=0,
                readings=[
                    Reading(layer=one, grad_norm=factor ** (depth - place), out_std=factor ** (place + 1))
                    for place, one in enumerate(names)
                ],
            )
        ],
        probes=Probes(start_loss=60.0, fit=list(fit), fit_safe=[60.0, 0.1], blind=[40.0, 2.25]),
        loss=Loss(baseline=2.3, floor=0.0),
    )


def test_a_gradient_that_grows_with_depth_is_found_where_the_loss_is_lost():
    (finding,) = RULE.judge(record(2.0))
    assert finding.evidence["first_over_last"] == pytest.approx(128)
    assert finding.evidence["layers"] == 8


def test_it_passes_where_the_optimizer_copes():
    assert RULE.judge(record(2.0, fit=(60.0, 1.0))) == []


def test_the_drift_of_a_healthy_net_passes():
    assert RULE.judge(record(1.3)) == []


def test_without_samples_it_does_not_apply():
    assert isinstance(RULE.judge(Record()), NotApplicable)


def test_a_signal_that_overflows_is_found_unless_the_data_were_not_finite():
    one = record(100.0)
    one.probes = Probes()
    one.samples[0].readings = [Reading(layer=str(place), out_std=100.0**place) for place in range(8)]
    one.origin = Origin(step=0, layer="5", op="aten.exp", backward=False, what="overflow")
    (finding,) = RULE.judge(one)
    assert finding.where == "5"
    one.inputs = Values(shape=(4, 3), dtype="float32", non_finite=0.1)
    assert RULE.judge(one) == []


def test_a_cliff_is_found_in_a_run_that_does_not_recover():
    norms = [1.0, 1.2, 0.9, 5e4, 1.0]
    samples = [Sample(step=10 * step, grad_norm=norm) for step, norm in enumerate(norms)]
    one = Record(samples=samples, losses=[1.0] * 20 + [None] * 20, updates=40)
    one.layers = [Layer(name="rnn", parameter="rnn", kind="rnn", recurrent=True)]
    (finding,) = RULE.judge(one)
    assert finding.evidence["step"] == 30
    assert finding.weight > 1
    one.losses = [3.0 * 0.9**step for step in range(40)]
    one.loss = Loss(baseline=3.0, floor=0.0)
    assert RULE.judge(one) == []


def checked(gain: float) -> list:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(8, 32), nn.ReLU()]
    for _ in range(14):
        layers += [nn.Linear(32, 32), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(32, 3))
    for layer in net[::2]:
        nn.init.normal_(layer.weight, std=gain * (2 / layer.weight.shape[1]) ** 0.5)
        nn.init.zeros_(layer.bias)
    inputs = torch.randn(64, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return RULE.judge(examine(net, (inputs, inputs[:, :3].argmax(1)), F.cross_entropy, optimizer=optimizer))


def test_half_as_much_again_as_he_has_it_and_he_has_not():
    (finding,) = checked(1.6)
    assert finding.name == "exploding-gradient"
    assert checked(1.0) == []
