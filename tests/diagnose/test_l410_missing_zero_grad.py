from learning_records import FALLING, FLAT, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l410_missing_zero_grad import RULE
from latih.watch import Parameter


def test_old_gradients_in_every_update_are_found():
    (found,) = RULE.judge(record(FALLING, stale=0.95, stale_updates=399))
    assert (found.severity, found.code) == ("warning", "L410")
    (found,) = RULE.judge(record(FLAT, stale=0.95, stale_updates=399))
    assert found.severity == "error"


def test_clearing_now_and_then_is_found_too():
    assert RULE.judge(record(FLAT, stale=0.9, stale_updates=380))


def test_cleared_gradients_pass():
    assert RULE.judge(record(FALLING, stale=0.0, stale_updates=0)) == []
    assert RULE.judge(record(FALLING, stale=0.2, stale_updates=0)) == []


def test_a_part_of_the_weights_that_is_never_cleared_is_found_by_the_norms():
    (found,) = RULE.judge(record(FALLING, stale=0.6, stale_updates=0))
    assert "Some of the weights" in found.why


def test_parameters_without_an_optimizer_are_another_matter():
    lonely = [Parameter(name="body", shape=(3, 3), trainable=True, reached=True, optimised=False)]
    assert isinstance(RULE.judge(record(FALLING, stale=0.95, stale_updates=399, parameters=lonely)), NotApplicable)


def test_nothing_is_said_in_the_first_updates():
    assert isinstance(RULE.judge(record(FLAT[:3], stale=0.95, stale_updates=3)), NotApplicable)


def test_what_follows_a_lost_loss_does_not_count():
    lost = record([*FLAT[:60], *[None] * 340], stale=0.95, stale_updates=59)
    for sample in lost.samples[-4:]:
        sample.grad_norm = sample.stale_gradient = None
    assert RULE.judge(lost)
