"""L306: a network that begins far worse than a constant."""

import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine
from latih.diagnose.rules._l306_loss_at_start import RULE
from latih.watch import Loss, Probes, Record


def record(start: float, reached: float, kind: str = "cross_entropy") -> Record:
    probes = Probes(start_loss=start, fit=[start, reached])
    return Record(probes=probes, loss=Loss(kind=kind, baseline=2.0, floor=0.0))


def test_a_loud_start_that_stays_is_a_warning():
    (finding,) = RULE.judge(record(100.0, 40.0))
    assert finding.severity == "warning"
    assert finding.evidence["times"] == 50.0
    assert finding.evidence["loss_after"] == 40.0


def test_a_loud_start_that_is_soon_over_is_an_info():
    (finding,) = RULE.judge(record(100.0, 1.0))
    assert finding.severity == "info"


def test_a_start_near_the_best_constant_passes():
    assert RULE.judge(record(4.0, 4.0)) == []


def test_squared_errors_may_begin_ten_deviations_away():
    (finding,) = RULE.judge(record(150.0, 100.0, "mse"))
    assert finding.severity == "info"
    (finding,) = RULE.judge(record(400.0, 300.0, "mse"))
    assert finding.severity == "warning"


def test_a_run_is_judged_by_its_own_losses():
    losses: list[float | None] = [100.0 * 0.99**step for step in range(40)]
    (finding,) = RULE.judge(Record(losses=losses, loss=Loss(kind="nll", baseline=2.0, floor=0.0)))
    assert finding.severity == "warning"
    (finding,) = RULE.judge(Record(losses=losses[:10], loss=Loss(kind="nll", baseline=2.0, floor=0.0)))
    assert finding.severity == "info"


def test_without_a_baseline_it_does_not_apply():
    assert isinstance(RULE.judge(Record(losses=[100.0])), NotApplicable)
    assert isinstance(RULE.judge(Record(loss=Loss(baseline=2.0, floor=0.0))), NotApplicable)


def checked(factor: float) -> list:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
    with torch.no_grad():
        net[4].weight.mul_(factor)
    inputs = torch.randn(64, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    return RULE.judge(examine(net, (inputs, inputs[:, :4].argmax(1)), F.cross_entropy, optimizer=optimizer))


def test_a_head_that_shouts_has_it_and_one_that_does_not_has_not():
    (finding,) = checked(1000.0)
    assert finding.severity == "warning"
    assert checked(1.0) == []


def test_a_loss_without_a_floor_is_told_by_the_best_constant_before_a_run():
    def unknown(start, reached):
        return Record(probes=Probes(start_loss=start, fit=[start, reached]), loss=Loss(baseline=-1.5))

    assert RULE.judge(unknown(600.0, 200.0))[0].severity == "warning"
    assert RULE.judge(unknown(600.0, -1.0))[0].severity == "info"
    assert RULE.judge(unknown(3.0, 2.0)) == []
