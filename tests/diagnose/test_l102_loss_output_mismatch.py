import pytest
from structure_records import LEARNT, STUCK, curve, record, stack, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l102_loss_output_mismatch import RULE
from latih.watch import Loss


def case(kind, end, low, high, losses=STUCK, **facts):
    facts.setdefault("output_shape", (32, 10))
    loss = Loss(kind=kind, ops=[kind, "mean"], baseline=1.0, floor=0.0, outputs=values(low=low, high=high), **facts)
    return record(losses, loss=loss, layers=stack("relu", end))


def test_softmax_before_cross_entropy_cannot_get_below_its_floor():
    (found,) = RULE.judge(case("cross_entropy", "softmax", 0.0, 1.0, class_count=10))
    assert found.severity == "warning"
    assert found.evidence["lowest loss in reach"] == pytest.approx(1.4612, abs=1e-4)


def test_a_temperature_behind_the_function_passes():
    assert RULE.judge(case("cross_entropy", "tanh", -9.0, 9.0)) == []


def test_scores_pass():
    assert RULE.judge(case("cross_entropy", "none", -4.0, 4.0)) == []


@pytest.mark.parametrize("end", ["sigmoid", "tanh", "relu"])
def test_functions_before_a_loss_that_wants_logits_are_found(end):
    low, high = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, 5.0)}[end]
    (found,) = RULE.judge(case("bce_with_logits", end, low, high, targets=values(0.5, 0.5)))
    assert found.severity == "warning"


def test_log_likelihood_of_what_does_not_sum_to_one_is_an_error():
    (found,) = RULE.judge(case("nll", "none", -1.0, 1.0, row_sums=(8.0, 13.0)))
    assert found.severity == "error"
    assert RULE.judge(case("nll", "log_softmax", -3.0, 0.0, row_sums=(0.9999, 1.0001))) == []


def test_a_softmax_over_one_unit_is_constant():
    (found,) = RULE.judge(case("binary_cross_entropy", "softmax", 1.0, 1.0, output_shape=(32, 1)))
    assert found.severity == "error"


def test_answers_that_do_not_exclude_each_other_need_no_softmax():
    (found,) = RULE.judge(case("binary_cross_entropy", "softmax", 0.0, 1.0, target_sums=(0.0, 4.0)))
    assert "sum to 1" in found.why
    assert RULE.judge(case("binary_cross_entropy", "softmax", 0.0, 1.0, target_sums=(1.0, 1.0))) == []


def test_targets_out_of_reach_are_found():
    (found,) = RULE.judge(case("mse", "tanh", -1.0, 1.0, targets=values(1.5, 0.5, low=0.2, high=3.0)))
    assert found.evidence["deviations beyond"] == pytest.approx(4.0)
    assert RULE.judge(case("mse", "tanh", -1.0, 1.0, targets=values(0.0, 0.5, low=-1.1, high=1.1))) == []


def test_a_run_that_learns_well_makes_it_an_info():
    (found,) = RULE.judge(case("cross_entropy", "softmax", 0.0, 1.0, LEARNT))
    assert found.severity == "info"


def test_two_log_softmaxes_are_an_info():
    (found,) = RULE.judge(case("cross_entropy", "log_softmax", -3.0, 0.0, curve(0.5)))
    assert found.severity == "info"


def test_without_a_loss_nothing_is_said():
    assert isinstance(RULE.judge(record(loss=Loss())), NotApplicable)
