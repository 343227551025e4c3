import pytest
from learning_records import FALLING, FLAT, record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l407_overfitting import RULE
from latih.watch import Evaluation, Loss


def told(values, name="loss"):
    every = 400 // len(values)
    return [Evaluation(step=every * (n + 1), part="valid", values={name: value}) for n, value in enumerate(values)]


WORSE = [1.0, 0.7, 0.6, 0.62, 0.66, 0.7, 0.75, 0.8, 0.86, 0.9]


@pytest.mark.parametrize(("name", "sign"), [("loss", 1), ("accuracy", -1)])
def test_validation_that_gets_worse_while_training_improves_is_overfitting(name, sign):
    (found,) = RULE.judge(record(FALLING, evaluations=told([sign * one for one in WORSE], name)))
    assert (found.severity, found.evidence["metric"]) == ("warning", name)


def test_one_bad_epoch_is_not():
    assert RULE.judge(record(FALLING, evaluations=told([1.0, 0.8, 0.7, 0.6, 0.55, 0.5, 0.47, 0.45, 0.44, 0.6]))) == []


def test_a_classifier_that_grows_surer_beside_a_metric_that_holds_is_information():
    both = [
        Evaluation(
            step=one.step, part="valid", values={"loss": 0.6 * one.values["loss"], "accuracy": 0.8 + 0.01 * place}
        )
        for place, one in enumerate(told(WORSE))
    ]
    sure = Loss(kind="cross_entropy", ops=["cross_entropy"], baseline=1.0, floor=0.0)
    (found,) = RULE.judge(record(FALLING, evaluations=both, loss=sure))
    assert found.severity == "info"


def test_a_metric_that_wavers_while_the_validation_loss_falls_is_not():
    both = [
        Evaluation(step=one.step, part="valid", values={"accuracy": -one.values["loss"], "loss": 1 / (1 + place)})
        for place, one in enumerate(told(WORSE))
    ]
    assert RULE.judge(record(FALLING, evaluations=both)) == []


def test_who_has_won_nothing_loses_nothing():
    never = [0.6, 0.6, 0.61, 0.62, 0.66, 0.7, 0.75, 0.8, 0.86, 0.9]
    assert RULE.judge(record(FALLING, evaluations=told(never, "error"))) == []
    # of a loss it is known what a constant output would reach: one evaluation may already be the best
    assert RULE.judge(record(FALLING, evaluations=told(never))) != []


def test_training_that_has_stopped_to_improve_is_not():
    assert RULE.judge(record(FLAT, evaluations=told(WORSE))) == []


def test_without_validation_it_does_not_apply():
    outcome = RULE.judge(record(FALLING))
    assert isinstance(outcome, NotApplicable)
    assert "w.log" in outcome.reason


def test_a_classifier_that_never_understood_anything_is_overfitting_though_a_metric_holds():
    held = [0.98, 0.96, 1.1, 1.3, 1.6, 1.9, 2.1, 2.3, 2.4, 2.5]
    both = [
        Evaluation(step=one.step, part="valid", values={**one.values, "accuracy": 0.55 + 0.001 * place})
        for place, one in enumerate(told(held))
    ]
    sure = Loss(kind="cross_entropy", ops=["cross_entropy"], baseline=1.0, floor=0.0)
    (found,) = RULE.judge(record(FALLING, evaluations=both, loss=sure))
    assert found.severity == "warning"
    assert found.evidence["at its best"] < 0.25
