import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l403_not_learning import RULE
from latih.watch import Evaluation


def test_weights_that_stand_still_under_a_gradient_are_an_error():
    (found,) = RULE.judge(record(FLAT[:30], 0.0))
    assert found.severity == "error"
    assert "single weight" in found.why


def test_without_a_gradient_they_may_stand():
    assert RULE.judge(record(FLAT[:30], 0.0, gradient=0.0)) == []


def test_a_long_way_for_nothing_is_not_learning():
    (found,) = RULE.judge(record(FLAT, 0.03))
    assert found.evidence["path of the weights"] > found.evidence["threshold"]


def test_a_plateau_may_take_a_while():
    assert RULE.judge(record(FLAT, 0.004)) == []


def test_a_loss_without_a_baseline_is_left_alone():
    assert RULE.judge(record(FLAT, 0.03, baseline=None)) == []


def test_what_learns_is_fine():
    assert RULE.judge(record(FALLING, 0.03)) == []


def test_nothing_is_said_without_samples():
    assert isinstance(RULE.judge(record([])), NotApplicable)


def test_a_loss_that_goes_up_above_the_constant_is_not_learning():
    (found,) = RULE.judge(record(noisy(np.linspace(1.0, 1.6, 400)), 4e-2))
    assert found.severity == "warning"


def test_too_few_small_batches_to_be_sure_of_nothing_are_waited_for():
    assert RULE.judge(record(noisy(np.full(400, 0.97), 1.2), 2e-2)) == []


def test_a_run_that_is_over_needs_no_patience():
    assert RULE.judge(record(FLAT[:60], 1e-3)) == []
    (found,) = RULE.judge(record(FLAT[:60], 1e-3, ended=True))
    assert "is over" in found.why
    assert RULE.judge(record(FALLING, 1e-3, ended=True)) == []


def test_examples_that_are_mixed_are_an_error_where_little_is_learned():
    (found,) = RULE.judge(record(FLAT, 1e-3, mixed=True))
    assert found.severity == "error"
    assert "mixed" in found.why
    assert RULE.judge(record(FALLING, 1e-3, mixed=True)) == []


def test_a_watched_model_that_never_moves_while_others_learn_is_found():
    alike = [Evaluation(step=0, part="valid", values={"loss": 2.3})] * 3
    (found,) = RULE.judge(record([], evaluations=alike, ended=True))
    assert found.evidence["updates"] == 0
