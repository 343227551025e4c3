import pytest
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l402_learning_rate_too_low import RULE


def test_tiny_steps_on_a_flat_loss_are_too_short():
    (found,) = RULE.judge(record(FLAT, 2e-5))
    assert found.evidence["threshold"] == 1e-4
    assert found.severity == "warning"


@pytest.mark.parametrize("losses", [FALLING, noisy([0.02] * 300, 0.001)])
def test_tiny_steps_that_learn_are_fine_tuning(losses):
    assert RULE.judge(record(losses, 2e-5)) == []


def test_usual_steps_on_a_plateau_are_not_too_short():
    assert RULE.judge(record(FLAT, 1e-3)) == []


def test_a_warm_up_is_waited_for():
    rising = [(step, 1e-5 * (step + 1)) for step in range(400)]
    assert isinstance(RULE.judge(record(FLAT[:100], 2e-5, rates=rising[:100])), NotApplicable)
    assert RULE.judge(record(FLAT, 2e-5, rates=rising))


def fading(steps, factor):
    return [(step, 0.01 * factor**step) for step in range(steps)]


def test_a_schedule_that_ended_while_the_loss_fell_is_found():
    losses = noisy([1 - 0.004 * min(step, 80) for step in range(400)], 0.02)
    (found,) = RULE.judge(record(losses, 1e-3, rates=fading(400, 0.9)))
    assert found.evidence["since update"] < 80


def test_the_end_of_an_ordinary_schedule_is_fine():
    assert RULE.judge(record(noisy([0.7] * 400, 0.02), 1e-3, rates=fading(400, 0.99))) == []


def test_a_rate_of_zero_is_found():
    (found,) = RULE.judge(record(FLAT, 0.0, rates=[(0, 0.0)]))
    assert found.why == "The learning rate is 0."


def test_nothing_is_said_early():
    assert isinstance(RULE.judge(record(FLAT[:40], 2e-5)), NotApplicable)
