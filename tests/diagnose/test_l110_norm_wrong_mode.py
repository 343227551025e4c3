import pytest
import torch
from structure_records import STUCK, record
from torch import nn

import latih
from latih.diagnose import NotApplicable
from latih.diagnose.rules._l110_norm_wrong_mode import RULE
from latih.watch import Norm


def normed(**facts):
    facts = {"training": True, "tracks": True, "momentum": 0.1, "untouched": True, "values": 32, **facts}
    return record(STUCK, norms=[Norm(name="1", kind="batch_norm", features=8, **facts)])


def test_evaluation_mode_with_new_statistics_is_found():
    (found,) = RULE.judge(normed(training=False))
    assert found.severity == "warning"
    assert found.evidence["mode"] == "evaluation"


def test_pretrained_statistics_in_evaluation_mode_are_meant():
    assert RULE.judge(normed(training=False, untouched=False)) == []
    assert RULE.judge(normed(training=False, pinned=True)) == []


@pytest.mark.parametrize("momentum", [0.0, 0.0005, 0.99])
def test_momentum_is_the_share_of_the_new_batch(momentum):
    assert RULE.judge(normed(momentum=momentum))[0].evidence["momentum"] == momentum


@pytest.mark.parametrize("momentum", [0.01, 0.1, None])
def test_usual_momentum_passes(momentum):
    assert RULE.judge(normed(momentum=momentum)) == []


def test_statistics_that_began_elsewhere_may_move_slowly():
    assert RULE.judge(normed(momentum=0.0, untouched=False)) == []


def test_a_module_without_statistics_is_an_info():
    assert RULE.judge(normed(tracks=False, untouched=False))[0].severity == "info"


def test_without_batch_norm_nothing_is_said():
    assert isinstance(RULE.judge(record()), NotApplicable)


class ByHand(nn.Module):
    """Batch norm without a module; `always` forgets that evaluation is not training."""

    def __init__(self, always):
        super().__init__()
        self.first, self.second, self.always = nn.Linear(4, 8), nn.Linear(8, 2), always
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("variance", torch.ones(8))

    def forward(self, x):
        training = self.training or self.always
        return self.second(nn.functional.batch_norm(self.first(x), self.mean, self.variance, training=training).relu())


@pytest.mark.parametrize("always", [True, False])
def test_answers_that_depend_on_their_batch_in_evaluation_mode_are_found(always):
    net = ByHand(always)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with latih.watch(net, optimizer=optimizer) as w:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.randn(16, 4)), torch.randint(2, (16,))).backward()
        optimizer.step()
    outcome = RULE.judge(w.finish())
    assert (isinstance(outcome, list) and len(outcome) == 1) == always
    assert net.training
