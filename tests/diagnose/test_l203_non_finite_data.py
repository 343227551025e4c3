from structure_records import LEARNT, record, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l203_non_finite_data import RULE
from latih.watch import Loss, Origin


def test_a_missing_value_that_loses_the_loss_is_an_error():
    (found,) = RULE.judge(record([1.0, None], inputs=values(non_finite=0.01)))
    assert found.severity == "error"
    assert found.evidence["where"] == "inputs"


def test_one_in_a_later_batch_is_found_by_its_origin():
    origin = Origin(step=9, layer="", op="input", backward=False, what="1 values of the batch are not finite")
    (found,) = RULE.judge(record([1.0, None], origin=origin))
    assert found.evidence["update"] == 9


def test_targets_count_too():
    loss = Loss(kind="mse", targets=values(non_finite=0.5))
    assert RULE.judge(record([None], loss=loss))[0].where == "targets"


def test_missing_values_that_the_model_masks_are_an_info():
    assert RULE.judge(record(LEARNT, inputs=values(non_finite=0.01)))[0].severity == "info"


def test_an_overflow_of_the_network_s_own_is_another_matter():
    origin = Origin(step=9, layer="2", op="aten.exp", backward=False, what="values between 0 and 900")
    assert RULE.judge(record([1.0, None], origin=origin)) == []


def test_without_data_nothing_is_said():
    assert isinstance(RULE.judge(record(inputs=None)), NotApplicable)
