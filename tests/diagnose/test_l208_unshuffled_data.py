import numpy as np
from structure_records import record

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l208_unshuffled_data import RULE
from latih.watch import Batch, Loss, Probes


def fed(rows, size=32):
    """Batches of labels."""
    batches = []
    for row in rows:
        labels, counts = np.unique(row, return_counts=True)
        batches.append(Batch(size=size, classes=dict(zip(labels.tolist(), counts.tolist(), strict=True))))
    return record(loss=Loss(kind="cross_entropy", target_shape=(size,), batches=batches))


def test_one_class_after_the_other_is_found():
    (found,) = RULE.judge(fed([[place // 2] * 32 for place in range(10)]))
    assert found.severity == "warning"
    assert found.evidence["entropy within / altogether"] == 0.0


def test_shuffled_classes_pass_in_small_batches_too():
    rng = np.random.default_rng(0)
    for size in (2, 8, 32):
        assert RULE.judge(fed(rng.integers(0, 10, (12, size)), size)) == []


def valued(means, std):
    batches = [Batch(size=32, mean=float(mean), std=std) for mean in means]
    return record(loss=Loss(kind="mse", target_shape=(32,), batches=batches))


def test_sorted_values_are_an_info():
    assert RULE.judge(valued(np.arange(10), 0.3))[0].severity == "info"
    assert RULE.judge(valued(0.1 * np.random.default_rng(0).standard_normal(10), 1.0)) == []


def test_sorted_values_with_which_the_loss_swings_are_a_warning():
    seen = valued(np.arange(10), 0.3)
    seen.losses = [float(one) for one in 1 + 0.9 * np.sin(np.arange(240) / 12)]
    seen.loss.baseline, seen.loss.floor = 1.5, 0.0
    (found,) = RULE.judge(seen)
    assert found.severity == "warning"
    assert found.evidence["rises of the loss"] >= 2


def test_a_check_of_the_whole_data_is_an_info():
    seen = record([])
    seen.probes = Probes(order=1e-12)
    assert RULE.judge(seen)[0].severity == "info"


def test_few_batches_are_not_judged():
    assert isinstance(RULE.judge(fed([[0] * 32, [1] * 32])), NotApplicable)
