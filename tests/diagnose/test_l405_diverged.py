import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l405_diverged import RULE
from latih.watch import Origin


def test_three_lost_losses_have_diverged():
    origin = Origin(step=400, layer="loss", op="LogBackward0", backward=False, what="values between 0 and 1")
    (found,) = RULE.judge(record([*FALLING, None, None, None], origin=origin))
    assert found.evidence["updates with a finite loss"] == 400
    assert "LogBackward0" in found.why
    assert "LogBackward0" in found.advice


def test_one_lost_loss_is_a_skipped_step():
    assert RULE.judge(record([*FALLING[:200], None, *FALLING[200:]])) == []


def test_a_loss_lost_from_the_start_leaves_the_first_place_to_others():
    (found,) = RULE.judge(record([None] * 5))
    assert found.weight < 0.5


def test_a_loss_far_above_its_start_has_diverged():
    (found,) = RULE.judge(record(noisy(np.concatenate([np.ones(100), np.full(300, 90.0)]))))
    assert found.evidence["threshold"] < 90


def test_a_loss_that_came_back_has_not():
    assert RULE.judge(record(noisy(np.concatenate([np.ones(100), np.full(100, 90.0), np.ones(200)])))) == []


def test_a_rise_that_players_make_is_fine():
    assert RULE.judge(record(noisy(np.linspace(0.7, 6.0, 400)))) == []


def test_nothing_is_said_before_the_first_loss():
    assert isinstance(RULE.judge(record([])), NotApplicable)
    assert isinstance(RULE.judge(record(FLAT[:5])), NotApplicable)
