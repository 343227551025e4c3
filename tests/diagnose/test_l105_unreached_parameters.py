from structure_records import layer, parameter, record, sample, stack

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l105_unreached_parameters import RULE

LAYERS = stack("relu", "none")


def net(reached=False, optimised=True, used=True, gradient=None):
    found = {"out_std": 1.0} if used else {}
    samples = [
        sample(step, _0={**found, "weight_grad": gradient}, _1={"out_std": 1.0, "weight_grad": 0.5}) for step in (0, 1)
    ]
    parameters = [
        parameter("0.weight", 8, 8, reached=reached, optimised=optimised),
        parameter("1.weight", 8, 8),
    ]
    return record(layers=LAYERS, parameters=parameters, samples=samples)


def test_weights_at_work_that_no_gradient_reaches_are_found():
    (found,) = RULE.judge(net())
    assert found.severity == "warning"
    assert found.evidence["of them at work"] == 0.5
    assert found.where == "0.weight"


def test_a_gradient_of_exactly_zero_is_none():
    (found,) = RULE.judge(net(reached=True, gradient=0.0))
    assert found.severity == "warning"


def test_a_small_gradient_passes():
    assert RULE.judge(net(reached=True, gradient=1e-9)) == []


def test_a_zero_behind_dead_units_is_not_this_fault():
    seen = net(reached=True, gradient=0.0)
    seen.samples[0].readings[0].zeros = 1.0
    assert RULE.judge(seen) == []


def test_a_head_that_is_not_asked_for_is_an_info():
    assert RULE.judge(net(used=False))[0].severity == "info"


def test_what_the_optimizer_does_not_hold_is_a_feature_extractor():
    assert RULE.judge(net(optimised=False)) == []


def test_without_parameters_nothing_is_said():
    assert isinstance(RULE.judge(record()), NotApplicable)


def test_one_of_several_heads_may_be_left_out_of_the_loss():
    seen = net()
    seen.layers = [*stack("relu", "none"), layer("2", inputs=["0"], activation="none", is_head=True)]
    seen.parameters = [
        parameter("0.weight", 8, 8),
        parameter("1.weight", 8, 8),
        parameter("2.weight", 8, 8, reached=False),
    ]
    seen.samples = [sample(0, _2={"out_std": 1.0})]
    assert RULE.judge(seen)[0].severity == "info"
