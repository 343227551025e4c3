import pytest
from structure_records import LEARNT, curve, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l205_class_imbalance import RULE
from latih.watch import Batch, Loss

HALF = curve(0.5)


def seen(common, rare, right, weighted=False, losses=HALF):
    batches = [Batch(size=common + rare, classes={0: common, 1: rare}, right={0: common, 1: right}) for _ in range(12)]
    loss = Loss(kind="cross_entropy", baseline=1.0, floor=0.0, batches=batches, weighted=weighted)
    return record(losses, loss=loss)


def test_a_rare_class_that_is_not_found_is_a_warning():
    (found,) = RULE.judge(seen(95, 5, 1))
    assert found.severity == "warning"
    assert found.evidence["share of the others found"] == 0.2


def test_a_rare_class_that_is_found_is_an_info():
    assert RULE.judge(seen(95, 5, 4))[0].severity == "info"


def test_weighted_classes_are_an_info():
    assert RULE.judge(seen(95, 5, 1, weighted=True))[0].severity == "info"


def test_mixed_classes_pass():
    assert RULE.judge(seen(80, 20, 1)) == []


def test_values_are_not_judged():
    assert isinstance(RULE.judge(record()), NotApplicable)


def test_a_few_rare_examples_are_enough_if_none_is_found():
    few = [Batch(size=50, classes={0: 49, 1: 1}, right={0: 49}) for _ in range(14)]
    assert RULE.judge(record(HALF, loss=Loss(kind="cross_entropy", batches=few)))[0].severity == "warning"
    assert RULE.judge(record(HALF, loss=Loss(kind="cross_entropy", batches=few[:6])))[0].severity == "info"


def test_pixels_by_the_hundred_thousand_are_counted_too():
    assert RULE.judge(seen(990_000, 10_000, 4000))[0].severity == "warning"
    assert RULE.judge(seen(990_000, 10_000, 6000))[0].severity == "info"


def test_at_first_and_in_a_run_that_learns_well_it_is_an_info():
    assert RULE.judge(seen(95, 5, 1, losses=HALF[:20]))[0].severity == "info"
    assert RULE.judge(seen(95, 5, 1, losses=LEARNT))[0].severity == "info"


def shares(*counts, right, ended=True, **facts):
    batch = Batch(size=sum(counts), classes=dict(enumerate(counts)), right=dict(enumerate(right)))
    loss = Loss(kind="cross_entropy", baseline=1.0, floor=0.0, batches=[batch] * 12, target_shape=(32,), **facts)
    return record(HALF, loss=loss, ended=ended)


def test_classes_far_below_an_equal_share_that_are_not_found_are_a_warning():
    (found,) = RULE.judge(shares(14, 14, 2, right=(14, 14, 0)))
    assert (found.severity, found.evidence["threshold"]) == ("warning", 1 / 3)
    assert RULE.judge(shares(14, 14, 2, right=(14, 14, 2))) == []


def test_rare_classes_wait_for_the_others_and_for_the_end_of_the_descent():
    assert RULE.judge(shares(14, 14, 2, right=(4, 4, 0))) == []
    text = shares(14, 14, 2, right=(14, 14, 0))
    text.loss.target_shape = (32 * 50,)
    assert RULE.judge(text) == []  # symbols of a text are rare by nature


def test_weights_that_favour_the_common_class_are_the_wrong_way_round():
    (found,) = RULE.judge(shares(95, 5, right=(95, 0), weighted=True, class_weights=[0.95, 0.05]))
    assert found.severity == "warning"
    assert found.evidence["its weight over a rare one's"] == pytest.approx(19)
    assert RULE.judge(shares(95, 5, right=(95, 5), weighted=True, class_weights=[0.5, 10.0]))[0].severity == "info"
