import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l401_learning_rate_too_high import RULE
from latih.watch import Values


def test_a_step_as_long_as_the_weights_and_nothing_learned_is_too_high():
    (found,) = RULE.judge(record(FLAT, lambda step: 1.5 if step < 3 else 0.01))
    assert (found.severity, found.evidence["threshold"]) == ("error", 1.0)


def test_the_same_steps_in_a_run_that_learns_are_fine():
    assert RULE.judge(record(FALLING, lambda step: 1.5 if step < 3 else 0.01)) == []


def test_short_steps_are_not_the_reason_of_a_flat_loss():
    assert RULE.judge(record(FLAT, 0.05)) == []


def test_it_is_seen_after_ten_updates():
    (found,) = RULE.judge(record(noisy(np.linspace(1, 3, 12)), 2.0))
    assert "start" in found.why


def test_unscaled_inputs_come_first():
    raw = Values(shape=(20, 8), dtype="torch.float32", mean=500.0, std=200.0)
    (found,) = RULE.judge(record(FLAT, 1.5, inputs=raw))
    assert found.weight == 0.5
    assert "inputs" in found.evidence["but"]


def test_a_loss_that_was_learned_before_it_was_lost_is_not_the_rate():
    assert RULE.judge(record([*FALLING, None, None, None], 0.3)) == []


def test_nothing_is_said_without_samples():
    assert isinstance(RULE.judge(record([])), NotApplicable)
