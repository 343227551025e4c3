from structure_records import LEARNT, curve, record, stack

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


def ends_in_a_norm(losses, affine):
    layers = stack("relu", "none")
    layers[-1].between = ["batch_norm"]
    return record(
        losses, layers=layers, norms=[Norm(name="2", kind="batch_norm", features=1, training=True, affine=affine)]
    )


def test_a_norm_without_a_shift_at_the_end_is_a_warning_where_the_loss_stays_far():
    far = curve(30.0, start=31.0)
    (found,) = RULE.judge(ends_in_a_norm(far, affine=False))
    assert (found.severity, found.where) == ("warning", "2")
    assert RULE.judge(ends_in_a_norm(far, affine=True)) == []
    assert RULE.judge(ends_in_a_norm(LEARNT, affine=False)) == []
