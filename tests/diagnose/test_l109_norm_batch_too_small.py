import pytest
from structure_records import LEARNT, STUCK, curve, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l109_norm_batch_too_small import RULE
from latih.watch import Norm


def normed(losses, count, **facts):
    facts.setdefault("training", True)
    return record(losses, norms=[Norm(name="1", kind="batch_norm", features=8, values=count, **facts)])


def test_two_values_are_too_few():
    (found,) = RULE.judge(normed(curve(0.6), 2))
    assert found.severity == "warning"
    assert found.evidence["relative error of the deviation"] == pytest.approx(0.7071, abs=1e-4)


def test_eight_are_too_few_only_in_trouble():
    assert RULE.judge(normed(STUCK, 8))[0].severity == "warning"
    assert RULE.judge(normed(curve(0.6), 8))[0].severity == "info"


def test_a_run_that_learns_well_makes_it_an_info():
    assert RULE.judge(normed(LEARNT, 2))[0].severity == "info"


def test_enough_values_or_fixed_statistics_pass():
    assert RULE.judge(normed(STUCK, 32)) == []
    assert RULE.judge(normed(STUCK, 2, pinned=True)) == []
    assert RULE.judge(normed(STUCK, 2, training=False)) == []


def test_without_batch_norm_nothing_is_said():
    assert isinstance(RULE.judge(record()), NotApplicable)
