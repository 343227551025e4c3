import numpy as np
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l408_underfitting import RULE
from latih.watch import Layer, Loss


def through(units, classes):
    shape = {name: str(place) for place, name in enumerate(("first", "head"))}
    layers = [
        Layer(name=shape["first"], parameter="0.weight", kind="linear", fan_in=64, fan_out=units),
        Layer(name=shape["head"], parameter="1.weight", kind="linear", fan_in=units, fan_out=classes, is_head=True),
    ]
    loss = Loss(
        kind="cross_entropy",
        ops=["log_softmax", "nll", "mean"],
        baseline=2.3,
        floor=0.0,
        output_shape=(20, classes),
        classes=dict.fromkeys(range(classes), 10),
    )
    return {"layers": layers, "loss": loss}


def test_ten_classes_through_two_units_are_too_few():
    (found,) = RULE.judge(record(noisy([1.8] * 400), 0.01, **through(2, 10)))
    assert (found.evidence["units"], found.evidence["needed"]) == (2, 9)


def test_a_wide_net_on_a_hard_problem_is_left_alone():
    assert RULE.judge(record(noisy([1.8] * 400), 0.01, **through(32, 10))) == []


def test_a_narrow_net_that_fits_is_fine():
    assert RULE.judge(record(noisy([0.3] * 400), 0.01, **through(2, 10))) == []


def test_it_must_have_had_its_chance():
    assert RULE.judge(record(noisy([1.8] * 400), 1e-4, **through(2, 10))) == []


def test_a_planned_run_that_ended_falling_was_too_short():
    losses = noisy([1 - 0.0005 * step for step in range(400)], 0.02)
    (found,) = RULE.judge(record(losses, planned=400))
    assert "ended" in found.why
    assert RULE.judge(record(losses, planned=4000)) == []


def test_without_a_baseline_it_does_not_apply():
    assert isinstance(RULE.judge(record(FLAT, baseline=None)), NotApplicable)
    assert RULE.judge(record(FALLING)) == []


def guessed(level, neighbours, **facts):
    """A wide net that ends at `level`, where the nearest examples' answer costs `neighbours`."""
    found = record(noisy([level] * 400), 0.01, **through(32, 10), **facts)
    found.loss.neighbours, found.loss.neighbours_error = neighbours, 0.02
    return found


def test_a_net_that_ends_far_behind_its_nearest_examples_has_more_to_learn():
    (found,) = RULE.judge(guessed(1.8, 0.4, ended=True))
    assert found.evidence["loss of the nearest neighbours' answer"] == 0.4
    assert RULE.judge(guessed(1.8, 0.4)) == []  # it may leave its plateau yet
    assert RULE.judge(guessed(1.8, 1.2, ended=True)) == []
    assert RULE.judge(guessed(0.15, 0.01, ended=True)) == []


def test_without_a_plan_a_run_that_was_left_while_it_fell_counts_as_ended():
    losses = noisy(np.linspace(1.0, 0.8, 400), 0.02)
    assert "ended" in RULE.judge(record(losses, ended=True))[0].why
    assert RULE.judge(record(losses, ended=False)) == []


def test_more_units_come_before_more_time_where_there_are_few():
    losses = noisy([1 - 0.0005 * step for step in range(400)], 0.02)
    for units, cures in ((32, ("train_longer", "widen")), (4, ("widen", "train_longer"))):
        facts = through(units, 3)["layers"]
        (found,) = RULE.judge(record(losses, planned=400, layers=facts))
        assert found.cures == cures
