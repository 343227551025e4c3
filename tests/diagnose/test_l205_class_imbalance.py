from structure_records import LEARNT, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l205_class_imbalance import RULE
from latih.watch import Batch, Loss


def seen(common, rare, right, weighted=False):
    batches = [Batch(size=common + rare, classes={0: common, 1: rare}, right={0: common, 1: right}) for _ in range(12)]
    return record(LEARNT, loss=Loss(kind="cross_entropy", batches=batches, weighted=weighted))


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
