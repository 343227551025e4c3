"""L304: sigmoid or tanh units that sit on the flat part."""

import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine
from latih.diagnose.rules._l304_saturated_units import RULE
from latih.watch import Layer, Loss, Probes, Reading, Record, Sample, Values


def record(share: float, *, head: bool = False, fitted: float = 2.25, kind: str = "cross_entropy", **layer) -> Record:
    layers = [
        Layer(name="a", parameter="a", kind="linear", activation="tanh", fan_in=4, elements=16, **layer),
        Layer(name="b", parameter="b", kind="linear", activation="sigmoid" if head else "none", is_head=True),
    ]
    at = "b" if head else "a"
    readings = [Reading(layer=one.name, out_std=9.0, saturated=share if one.name == at else 0.0) for one in layers]
    targets = Values(shape=(32, 1), dtype="float32", low=0.0, high=1.0)
    return Record(
        layers=layers,
        samples=[Sample(step=0, readings=readings)],
        probes=Probes(start_loss=2.3, fit=[2.3, fitted], fit_safe=[2.3, fitted], blind=[2.3, 2.25]),
        loss=Loss(kind=kind, baseline=2.2, floor=0.0, targets=targets),
    )


def test_a_saturated_layer_is_found_where_nothing_is_learned():
    (finding,) = RULE.judge(record(0.8))
    assert (finding.where, finding.severity) == ("a", "warning")
    assert (finding.evidence["saturated"], finding.evidence["at_most"]) == (0.8, 0.5)


def test_it_passes_below_half_and_where_the_batch_is_fitted():
    assert RULE.judge(record(0.45)) == []
    assert RULE.judge(record(0.8, fitted=0.3)) == []


def test_an_output_counts_under_squared_errors_only():
    assert RULE.judge(record(0.9, head=True)) == []
    (finding,) = RULE.judge(record(0.9, head=True, kind="mse"))
    assert finding.where == "b"


def test_an_output_that_cannot_reach_its_targets_is_another_matter():
    one = record(0.9, head=True, kind="mse")
    assert one.loss.targets is not None
    one.loss.targets.high = 255.0
    assert RULE.judge(one) == []


def test_gates_and_nets_without_bounded_functions_do_not_count():
    assert RULE.judge(record(0.9, shared=True)) == [] or isinstance(RULE.judge(record(0.9, shared=True)), NotApplicable)
    assert isinstance(RULE.judge(record(0.9, in_residual=True)), NotApplicable)


def checked(offset: float) -> list:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 40), nn.Sigmoid(), nn.Linear(40, 1))
    inputs = torch.randn(64, 6)
    targets = inputs[:, :1].clone()
    batch = (inputs + offset, targets)
    return RULE.judge(examine(net, batch, F.mse_loss, optimizer="adam(lr=0.01)"))


def test_raw_inputs_saturate_and_standardised_ones_do_not():
    (finding,) = checked(1000.0)
    assert finding.name == "saturated-units"
    assert checked(0.0) == []
