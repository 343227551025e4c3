from structure_records import LEARNT, STUCK, record, sample, stack

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l111_selu_preconditions import RULE

LECUN = 8**-0.5


def net(losses=STUCK, gain=1.0, last=1.0, **facts):
    readings = {
        f"_{place}": {"weight_std": gain * LECUN, "std": last, "out_std": gain, "out_mean": 0.0} for place in range(3)
    }
    return record(losses, layers=stack("selu", "selu", "none"), samples=[sample(0, **readings)], **facts)


def test_weights_that_are_not_lecun_s_and_a_signal_that_grows_are_found():
    (found,) = RULE.judge(net(gain=1.4, last=6.0))
    assert found.severity == "warning"
    assert "weights are not LeCun's" in found.evidence


def test_conditions_without_consequence_are_an_info():
    assert RULE.judge(net(gain=1.4))[0].severity == "info"
    assert RULE.judge(net(LEARNT, gain=1.4, last=6.0))[0].severity == "info"
    assert RULE.judge(net(LEARNT, dropout=0.1))[0].severity == "info"


def test_plain_dropout_is_a_warning_once_a_hundred_updates_have_brought_little():
    assert RULE.judge(net(dropout=0.1))[0].severity == "warning"


def test_conditions_that_are_met_pass():
    assert RULE.judge(net()) == []


def test_skips_break_them():
    seen = net(last=5.0)
    seen.layers[1].in_residual = True
    assert RULE.judge(seen)[0].severity == "warning"


def test_without_selu_nothing_is_said():
    assert isinstance(RULE.judge(record()), NotApplicable)
