from structure_records import LEARNT, STUCK, record, sample, stack, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l202_unscaled_targets import RULE
from latih.watch import Loss


def net(losses, targets, baseline=1.0, first=0.5):
    loss = Loss(kind="mse", ops=["mse", "mean"], baseline=baseline, floor=0.0, output_shape=(32, 1), targets=targets)
    samples = [sample(0, _1={"out_std": first, "out_mean": 0.0})]
    return record(losses, loss=loss, layers=stack("relu", "none"), samples=samples)


def test_targets_far_away_are_found_while_the_loss_is_above_the_constant_s():
    (found,) = RULE.judge(net([9e4] * 60, values(300.0, 10.0), baseline=100.0))
    assert found.severity == "warning"
    assert found.evidence["threshold of the loss"] == 1.5


def test_targets_that_were_reached_pass():
    assert RULE.judge(net([100 * one for one in LEARNT], values(300.0, 10.0), baseline=100.0)) == []


def test_tiny_targets_in_a_run_that_stands_still_are_found():
    tiny = [1e-10 * one for one in STUCK]
    assert RULE.judge(net(tiny, values(0.0, 1e-5), baseline=1e-10))[0].evidence["size / first outputs"] < 0.1


def test_usual_targets_pass_even_in_trouble():
    assert RULE.judge(net(STUCK, values(0.0, 1.0))) == []
    assert RULE.judge(net(STUCK, values(0.0, 1.0), first=0.01)) == []


def test_targets_of_unlike_size_are_found():
    unlike = values(0.0, 700.0, feature_stds=[1000.0, 1.0], feature_means=[0.0, 0.0])
    assert "deviation of the largest target / smallest" in RULE.judge(net(LEARNT, unlike))[0].evidence


def test_classes_are_not_judged():
    assert isinstance(RULE.judge(record(kind="cross_entropy")), NotApplicable)
