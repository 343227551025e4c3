import pytest
from structure_records import LEARNT, STUCK, layer, record, sample, stack, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l201_unscaled_inputs import RULE

STD = 8**-0.5


def net(losses, inputs, seen=None, saturated=None):
    """`seen`: the scale that the first layer is really given."""
    seen = (inputs.mean**2 + inputs.std**2) ** 0.5 if seen is None else seen
    first = {"weight_std": STD, "out_std": seen, "out_mean": 0.0, "saturated": saturated}
    return record(losses, layers=stack("relu", "none"), samples=[sample(0, _0=first)], inputs=inputs)


def test_a_large_scale_is_found_where_the_run_is_in_trouble():
    (found,) = RULE.judge(net(STUCK, values(0.0, 80.0)))
    assert found.severity == "warning"
    assert found.evidence["scale that the first layer sees"] == pytest.approx(80.0)


def test_it_is_an_info_where_the_run_learns():
    assert RULE.judge(net(LEARNT, values(0.0, 80.0)))[0].severity == "info"


def test_cornered_units_are_a_second_signal():
    assert RULE.judge(net(LEARNT, values(0.0, 80.0), saturated=0.9))[0].severity == "warning"


def test_gates_that_raw_inputs_open_or_shut_for_good_are_a_second_signal():
    def told(kind, std):
        layers = [layer("0", 3, 32, "tanh", kind=kind), layer("1", 32, 6, "none", ["0"], is_head=True)]
        first = {"weight_std": 0.1, "out_std": None, "out_mean": None}
        inputs = values(0.0, std, (32, 20, 3))
        return RULE.judge(record(LEARNT, layers=layers, samples=[sample(0, _0=first)], inputs=inputs))

    (found,) = told("gru", 2000.0)
    assert found.severity == "warning"
    assert found.evidence["deviation of what the gates are given"] == pytest.approx(2000 * 0.1 * 3**0.5)
    assert told("gru", 20.0)[0].severity == "info"
    assert told("lstm", 1.0) == []


def test_an_offset_is_found():
    (found,) = RULE.judge(net(STUCK, values(2000.0, 1.0)))
    assert found.evidence["|mean| / deviation"] == 2000.0


def test_a_norm_in_front_passes():
    assert RULE.judge(net(STUCK, values(2000.0, 80.0), seen=1.0)) == []


def test_features_of_unlike_size_are_found():
    unlike = values(100.0, 200.0, feature_means=[0.0] * 4, feature_stds=[1.0, 2.0, 1.0, 500.0])
    assert "largest feature / middle one" in RULE.judge(net(STUCK, unlike))[0].evidence


def test_usual_inputs_pass_even_in_trouble():
    for usual in (values(), values(0.5, 0.3), values(0.1, 0.3), values(2.0, 3.0)):
        assert RULE.judge(net(STUCK, usual)) == []


def test_tokens_are_not_judged():
    assert isinstance(RULE.judge(record(inputs=values(500.0, 300.0, dtype="int64"))), NotApplicable)
    assert isinstance(RULE.judge(record(inputs=None)), NotApplicable)
