from structure_records import record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l108_bias_before_norm import RULE
from latih.watch import Norm


def normed(**facts):
    return record(norms=[Norm(name="1", kind="batch_norm", features=8, **facts)])


def test_a_bias_that_the_norm_takes_back_is_an_info():
    (found,) = RULE.judge(normed(training=True, after_bias=True))
    assert found.severity == "info"


def test_no_bias_or_fixed_statistics_pass():
    assert RULE.judge(normed(training=True)) == []
    assert RULE.judge(normed(training=False, after_bias=True)) == []


def test_without_norms_nothing_is_said():
    assert isinstance(RULE.judge(record()), NotApplicable)
