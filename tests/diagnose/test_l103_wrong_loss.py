import numpy as np
from structure_records import LEARNT, STUCK, curve, record, sample, stack, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l103_wrong_loss import RULE
from latih.watch import Evaluation, Loss, Optimizer

PLAIN, ADAM = Optimizer(name="sgd", lr=0.1), Optimizer(name="adam", lr=0.1, adaptive=True)


def growing(losses, grown=50.0):
    loss = Loss(kind="unknown", ops=["log_softmax", "mean"], output_shape=(32, 3))
    samples = [sample(0, _1={"out_std": 1.0, "out_mean": 0.0}), sample(100, _1={"out_std": grown, "out_mean": 0.0})]
    return record(losses, loss=loss, layers=stack("relu", "none"), samples=samples)


def test_a_loss_that_is_negated_is_an_error():
    (found,) = RULE.judge(record(loss=Loss(kind="mse", ops=["mse", "mean", "neg"], sign=-1, floor=0.0)))
    assert found.severity == "error"


def test_a_squared_error_below_zero_is_an_error():
    assert RULE.judge(record(curve(-3.0, start=-1.0)))[0].evidence["cannot be below"] == 0.0


def test_a_loss_that_falls_faster_and_faster_has_no_floor():
    (found,) = RULE.judge(growing([-(float(step) ** 2) for step in range(120)]))
    assert found.severity == "error"
    assert found.evidence["outputs have grown"] == 50.0


def test_a_density_that_settles_passes():
    assert RULE.judge(growing(curve(-3.0, start=2.0))) == []


def test_a_fall_without_growing_outputs_passes():
    assert RULE.judge(growing([-0.05 * float(step) ** 2 for step in range(120)], grown=2.0)) == []


def test_a_loss_a_thousand_times_below_its_start_has_no_floor_whatever_the_outputs_do():
    (found,) = RULE.judge(growing([-(float(step) ** 2) for step in range(120)], grown=2.0))
    assert "no floor" in found.why


def told(losses, scores, name="accuracy"):
    pairs = enumerate(zip(losses, scores, strict=True))
    return [Evaluation(step=place, part="valid", values={"loss": one, name: two}) for place, (one, two) in pairs]


def test_a_metric_that_falls_with_the_loss_shows_a_sign_that_was_lost():
    falling, worse = [0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [0.5, 0.4, 0.35, 0.3, 0.2, 0.1]
    (found,) = RULE.judge(record(LEARNT, evaluations=told(falling, worse)))
    assert found.evidence["metric"] == "accuracy"
    assert RULE.judge(record(LEARNT, evaluations=told(falling, worse[::-1]))) == []
    assert RULE.judge(record(LEARNT, evaluations=told(falling, worse, "error"))) == []
    assert RULE.judge(record(LEARNT, evaluations=told(falling[::-1], worse))) == []


def summed(losses, optimizer):
    loss = Loss(kind="mse", ops=["mse", "sum"], reduction="sum", baseline=32.0, floor=0.0)
    return record(32 * np.array(losses), loss=loss, optimizer=optimizer)


def test_a_sum_is_found_where_the_run_is_in_trouble():
    assert RULE.judge(summed(STUCK, PLAIN))[0].evidence["reduction"] == "sum"
    assert RULE.judge(summed(LEARNT, PLAIN)) == []
    assert RULE.judge(summed(STUCK, ADAM)) == []


def test_amounts_for_classes_are_found():
    targets = values(2.0, 1.0, low=0.0, high=4.0, distinct=5)
    loss = Loss(kind="mse", ops=["mse", "mean"], baseline=1.0, floor=0.0, output_shape=(32, 1), targets=targets)
    assert RULE.judge(record(loss=loss))[0].severity == "warning"
    assert RULE.judge(record(LEARNT, loss=loss)) == []


def test_several_right_answers_under_cross_entropy_are_found():
    def told(mean, columns=6, **facts):
        shape, ops = (32, columns), ["log_softmax", "mul", "sum", "neg", "div"]
        targets = values(mean, 0.4, shape, low=0.0, high=1.0, distinct=2)
        loss = Loss(kind="unknown", ops=ops, output_shape=shape, target_shape=shape, targets=targets)
        return RULE.judge(record(STUCK, loss=loss, **facts))

    (found,) = told(0.3)
    assert found.evidence["sum of an example's targets"] == 0.3 * 6
    assert "BCEWithLogitsLoss" in found.advice
    assert told(1 / 6) == []  # one answer each
    assert told(0.01, columns=500) == []  # a likelihood of counts


def test_without_losses_nothing_is_said():
    assert isinstance(RULE.judge(record([], loss=Loss())), NotApplicable)
