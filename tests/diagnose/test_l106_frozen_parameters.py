import torch
from structure_records import LEARNT, parameter, record
from torch import nn

import latih
from latih.diagnose import NotApplicable
from latih.diagnose.rules._l106_frozen_parameters import RULE
from latih.watch import Norm


def frozen(fresh):
    return [parameter("0.weight", 8, 8, trainable=False, fresh=fresh), parameter("1.weight", 8, 8)]


def test_frozen_random_weights_are_found():
    (found,) = RULE.judge(record(parameters=frozen(True)))
    assert found.severity == "warning"
    assert found.evidence["never trained, share of the frozen"] == 1.0


def test_a_trained_body_that_is_frozen_is_an_info():
    assert RULE.judge(record(parameters=frozen(False)))[0].severity == "info"
    assert RULE.judge(record(parameters=frozen(None)))[0].severity == "info"


def test_a_body_whose_norm_has_seen_batches_was_trained_whatever_its_weights_look_like():
    parts = [*frozen(True), parameter("bn.weight", 8, trainable=False, fresh=None)]
    new, used = (Norm(name="bn", kind="batch_norm", features=8, training=True, untouched=one) for one in (True, False))
    assert RULE.judge(record(parameters=parts, norms=[new]))[0].severity == "warning"
    assert RULE.judge(record(parameters=parts, norms=[used]))[0].severity == "info"


def test_random_features_that_do_are_an_info():
    assert RULE.judge(record(LEARNT, parameters=frozen(True)))[0].severity == "info"


def test_nothing_frozen_passes_and_nothing_seen_is_not_judged():
    assert RULE.judge(record(parameters=[parameter("0.weight", 8, 8)])) == []
    assert isinstance(RULE.judge(record()), NotApplicable)


def test_a_body_that_was_trained_is_told_from_one_that_was_not():
    torch.manual_seed(0)
    x = torch.randn(400, 8) * torch.tensor([3.0, 2.0, 1.0, 1.0, 0.5, 0.2, 0.1, 0.1])
    y = (x[:, 0] * x[:, 1] > 0).long()
    body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())

    def severity():
        head = nn.Linear(32, 2)
        body.requires_grad_(False)
        optimizer = torch.optim.SGD(head.parameters(), lr=1e-6)
        with latih.watch(net := nn.Sequential(body, head), optimizer=optimizer) as w:
            for _ in range(100):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(x), y).backward()
                optimizer.step()
        return RULE.judge(w.finish())[0].severity

    assert severity() == "warning"
    body.requires_grad_(True)
    before = nn.Sequential(body, nn.Linear(32, 2))
    adam = torch.optim.Adam(before.parameters(), lr=0.01)
    for _ in range(100):
        adam.zero_grad()
        nn.functional.cross_entropy(before(x), y).backward()
        adam.step()
    assert severity() == "info"
