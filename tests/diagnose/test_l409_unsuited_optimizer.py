import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l409_unsuited_optimizer import RULE
from latih.watch import Batch, Optimizer


def with_(name, lr=0.01, **facts):
    return Optimizer(name=name, lr=lr, **facts)


def test_rprop_on_noisy_batches_is_found():
    faded = {"change": lambda step: 0.02 * 0.97**step, "optimizer": with_("rprop")}
    (found,) = RULE.judge(record(noisy(np.full(400, 0.8)), **faded))
    assert "all data" in found.why
    assert RULE.judge(record(noisy(np.full(400, 0.8), 1e-4), **faded)) == []


def test_adadelta_at_adams_rate_is_found():
    assert RULE.judge(record(FLAT, 1e-5, optimizer=with_("adadelta", 1e-3)))
    assert RULE.judge(record(FLAT, 1e-5, optimizer=with_("adadelta", 1.0))) == []


def test_adagrad_that_fades_while_the_loss_still_falls_is_found():
    falls = noisy(np.linspace(1, 0.8, 400), 0.02)
    assert RULE.judge(record(falls, lambda step: 0.02 / (step + 1) ** 0.5, optimizer=with_("adagrad")))
    assert RULE.judge(record(falls, 2e-3, optimizer=with_("adagrad"))) == []


def test_plain_sgd_on_a_plateau_is_found():
    assert RULE.judge(record(FLAT, 5e-4))
    assert RULE.judge(record(FLAT, 5e-4, optimizer=with_("sgd", momentum=0.9))) == []
    assert RULE.judge(record(FALLING, 5e-4)) == []


def test_adam_is_not_judged():
    assert RULE.judge(record(FLAT, 5e-4, optimizer=with_("adam"))) == []


def test_an_unknown_optimizer_cannot_be():
    unknown = record(FLAT)
    unknown.optimizer = None
    assert isinstance(RULE.judge(unknown), NotApplicable)


def test_adam_with_its_two_averages_in_the_wrong_order_is_found_by_its_settings_alone():
    (found,) = RULE.judge(record(FALLING[:30], optimizer=with_("adam", momentum=0.999, beta2=0.9)))
    assert "betas=(0.999, 0.9)" in found.why
    assert RULE.judge(record(FALLING, optimizer=with_("adam", momentum=0.9, beta2=0.999))) == []
    assert RULE.judge(record(FALLING, optimizer=with_("lion", momentum=0.999, beta2=0.9))) == []


def test_lbfgs_that_batches_have_thrown_is_found_also_before_four_dozen_updates():
    lost = record([1.0, *[None] * 20], optimizer=with_("lbfgs"))
    assert isinstance(RULE.judge(lost), NotApplicable)  # of the data nothing is known
    lost.loss.batches = [Batch(size=20, mean=0.1, std=1.0), Batch(size=20, mean=-0.1, std=0.9)]
    (found,) = RULE.judge(lost)
    assert found.severity == "error"
