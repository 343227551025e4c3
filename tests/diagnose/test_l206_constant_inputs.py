from structure_records import LEARNT, STUCK, record, sample, stack, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l206_constant_inputs import RULE
from latih.watch import Loss


def net(losses, inputs, seen=None, classes=None):
    size = (inputs.mean**2 + inputs.std**2) ** 0.5 if seen is None else seen
    first = {"weight_std": 8**-0.5, "out_std": size, "out_mean": 0.0}
    loss = Loss(kind="cross_entropy", baseline=1.0, floor=0.0, classes=classes or {})
    return record(losses, inputs=inputs, loss=loss, layers=stack("relu", "none"), samples=[sample(0, _0=first)])


def test_a_faint_variation_is_found_where_nothing_is_learned():
    (found,) = RULE.judge(net(STUCK, values(0.3, 0.3, feature_stds=[1e-4] * 4)))
    assert found.severity == "warning"
    assert found.evidence["threshold"] == 0.01


def test_it_is_an_info_where_the_run_learns():
    assert RULE.judge(net(LEARNT, values(0.3, 0.3, feature_stds=[1e-4] * 4)))[0].severity == "info"


def test_identical_examples_with_different_targets_are_found_at_once():
    alike = values(0.0, 0.0, varies=0.0)
    assert RULE.judge(net([1.0], alike, classes={0: 9, 1: 7}))[0].severity == "warning"
    assert RULE.judge(net([1.0], alike, classes={0: 16}))[0].severity == "info"


def test_a_norm_in_front_passes():
    assert RULE.judge(net(STUCK, values(0.0, 1e-3), seen=1.0)) == []


def test_usual_inputs_pass():
    assert RULE.judge(net(STUCK, values(0.2, 0.3))) == []


def test_without_inputs_nothing_is_said():
    assert isinstance(RULE.judge(record(inputs=None)), NotApplicable)
