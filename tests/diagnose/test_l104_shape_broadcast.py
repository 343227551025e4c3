import pytest
import torch
from structure_records import LEARNT, record
from torch import nn

import latih
from latih.diagnose import NotApplicable
from latih.diagnose.rules._l104_shape_broadcast import RULE
from latih.watch import Loss

SPREAD = Loss(kind="mse", ops=["sub", "pow", "mean"], spread=(32, 32), output_shape=(32, 1), baseline=1.0, floor=0.0)


def test_every_output_against_every_target_is_an_error():
    (found,) = RULE.judge(record(loss=SPREAD))
    assert found.severity == "error"
    assert found.evidence["compared as"] == (32, 32)


def test_it_is_an_info_in_a_run_that_learns_well():
    assert RULE.judge(record(LEARNT, loss=SPREAD))[0].severity == "info"


def test_without_a_loss_nothing_is_said():
    assert isinstance(RULE.judge(record(loss=Loss())), NotApplicable)


LOSSES = {
    "minus": lambda o, t: (o - t).square().mean(),
    "turned": lambda o, t: (t - o).abs().mean(),
    "huber by hand": lambda o, t: torch.where((o - t).abs() < 1, 0.5 * (o - t) ** 2, (o - t).abs() - 0.5).mean(),
    "sliced": lambda o, t: ((o[:, :1] - t) ** 2).mean(),
    "log loss by hand": lambda o, t: -(t * o.sigmoid().log() + (1 - t) * (1 - o.sigmoid()).log()).mean(),
}
MEANT = {
    "squeezed": lambda o, t: (o.squeeze(1) - t).square().mean(),
    "all pairs": lambda o, t: torch.relu(1 - (o.squeeze(1)[:, None] - t[None, :])).mean(),
    "quantiles": lambda o, t: (t[:, None] - o - torch.tensor([0.1, 0.5, 0.9])).abs().mean(),
    "a penalty": lambda o, t: (o.squeeze(1) - t).square().mean() + 0.1 * (o * torch.ones(3)).square().mean(),
}


def judged(loss):
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with latih.watch(net, optimizer=optimizer) as w:
        optimizer.zero_grad()
        loss(net(torch.randn(16, 4)), torch.rand(16)).backward()
        optimizer.step()
    return RULE.judge(w.finish())


@pytest.mark.parametrize("name", LOSSES)
def test_losses_that_spread_their_targets_are_seen_at_the_first_update(name):
    (found,) = judged(LOSSES[name])
    assert found.evidence["compared as"] == (16, 16)


@pytest.mark.parametrize("name", MEANT)
def test_losses_that_mean_what_they_do_pass(name):
    assert judged(MEANT[name]) == []


def test_torch_s_own_losses_spread_too():
    with pytest.warns(UserWarning, match="broadcast"):
        assert judged(nn.functional.mse_loss)[0].severity == "error"


FURTHER = {
    "an axis too many in the targets": (lambda o, t: (o - t[:, None, :2]).square().mean(), 2, (16, 16, 2)),
    "one output for two targets": (lambda o, t: (o - t[:, :2]).abs().mean(), 1, (16, 2)),
}


@pytest.mark.parametrize("name", FURTHER)
def test_several_columns_spread_as_well(name):
    loss, columns, shape = FURTHER[name]
    torch.manual_seed(0)
    net = nn.Linear(4, columns)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with latih.watch(net, optimizer=optimizer) as w:
        optimizer.zero_grad()
        loss(net(torch.randn(16, 4)), torch.rand(16, 3)).backward()
        optimizer.step()
    (found,) = RULE.judge(w.finish())
    assert found.evidence["compared as"] == shape
