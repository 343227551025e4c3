import numpy as np
import pytest
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l402_learning_rate_too_low import RULE
from latih.watch import Optimizer


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


def test_a_clip_that_removes_nearly_all_of_the_gradient_is_named():
    short = record(FLAT, 2e-5, optimizer=Optimizer(name="sgd", lr=0.1), rates=[(0, 0.1)])
    for sample in short.samples:
        sample.clipped = 0.99
    (found,) = RULE.judge(short)
    assert found.weight == 0.9
    assert "Clipping" in found.why


def test_a_pace_that_ten_such_runs_would_not_bring_anywhere_is_too_slow():
    (found,) = RULE.judge(record(FLAT, 1.5e-4))
    assert found.code == "L402"
    assert RULE.judge(record(FALLING, 1.5e-4)) == []


def test_a_schedule_that_ended_before_the_weights_had_a_chance_is_found():
    losses = noisy(np.r_[np.linspace(1.0, 0.85, 60), np.full(340, 0.85)], 0.2)
    assert RULE.judge(record(losses, lambda step: 3e-3 * 0.9**step, rates=[(n, 0.01 * 0.9**n) for n in range(400)]))


def test_a_rate_that_is_gone_in_the_first_quarter_is_found_though_half_is_learned():
    losses = noisy([*np.linspace(1.0, 0.4, 66), *[0.4] * 434], 0.01)
    assert RULE.judge(record(losses, lambda step: 3e-2 * 0.9**step, rates=fading(500, 0.9)))
    assert RULE.judge(record(losses, lambda step: 3e-1 * 0.9**step, rates=fading(500, 0.9))) == []
    assert RULE.judge(record(losses, lambda step: 3e-2 * 0.98**step, rates=fading(500, 0.98))) == []
