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
