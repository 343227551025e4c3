import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l404_oscillating_loss import RULE

WAVES = [0.5 + 0.5 * np.cos(step / 30) + (step / 800) for step in range(800)]


def test_waves_that_lose_what_was_learned_oscillate():
    (found,) = RULE.judge(record(noisy(WAVES[:760])))
    assert found.evidence["rises"] >= 2
    assert found.evidence["level"] > found.evidence["best"]


def test_swings_wider_than_the_batches_differ_oscillate():
    losses = [*noisy(np.ones(60)), *noisy(1.5 * np.ones(340), 0.6)]
    (found,) = RULE.judge(record(losses))
    assert found.evidence["scatter now"] > found.evidence["threshold"]


def test_noisy_batches_alone_do_not():
    assert RULE.judge(record(noisy(np.ones(400), 0.5))) == []
    assert RULE.judge(record(noisy(np.linspace(1, 0.1, 400), 0.5))) == []


def test_swings_around_a_low_loss_are_fine():
    assert RULE.judge(record([*FALLING, *noisy(0.05 + 0.03 * np.sin(np.arange(400) / 20), 0.01)])) == []


def test_nothing_is_said_early():
    assert isinstance(RULE.judge(record(FLAT[:40])), NotApplicable)
