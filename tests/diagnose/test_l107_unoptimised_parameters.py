from structure_records import parameter, record, sample, stack

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l107_unoptimised_parameters import RULE
from latih.watch import Optimizer

SGD = Optimizer(name="sgd", lr=0.1)


def net(*, body=True, head=True, fresh=True, norms=(3.0, 3.0)):
    both = [{"weight_norm": norm} for norm in norms]
    samples = [sample(0, _0=both[0], _1=both[0]), sample(50, _0=both[1], _1=both[1])]
    parameters = [
        parameter("0.weight", 8, 8, optimised=body, fresh=fresh),
        parameter("1.weight", 8, 8, optimised=head, fresh=fresh),
    ]
    return record(layers=stack("relu", "none"), parameters=parameters, samples=samples, optimizer=SGD)


def test_random_weights_that_nobody_moves_are_found():
    (found,) = RULE.judge(net(body=False))
    assert found.severity == "warning"
    assert found.evidence["share of the weights"] == 0.5


def test_a_head_that_nobody_moves_is_found_whatever_it_is():
    assert RULE.judge(net(head=False, fresh=False))[0].severity == "warning"


def test_a_trained_body_below_a_head_that_learns_is_an_info():
    assert RULE.judge(net(body=False, fresh=False))[0].severity == "info"


def test_what_somebody_else_moves_passes():
    assert RULE.judge(net(body=False, norms=(3.0, 3.1))) == []


def test_layers_that_are_not_registered_are_found():
    seen = net()
    seen.unregistered = [parameter("unregistered 0", 8, 8, optimised=False, fresh=True)]
    assert RULE.judge(seen)[0].where == "unregistered 0"


def test_all_in_the_optimizer_passes_and_without_one_nothing_is_said():
    assert RULE.judge(net()) == []
    assert isinstance(RULE.judge(record()), NotApplicable)
