from structure_records import record, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l204_label_range import RULE
from latih.watch import Loss


def binary(low, high):
    targets = values(0.5, 0.5, low=low, high=high)
    return record(loss=Loss(kind="bce_with_logits", ops=["bce_with_logits", "mean"], targets=targets))


def labelled(classes, count, shape=(32,)):
    low, high = float(min(classes)), float(max(classes))
    targets = values(1.0, 1.0, low=low, high=high, dtype="int64")
    loss = Loss(
        kind="cross_entropy",
        ops=["log_softmax", "nll", "mean"],
        targets=targets,
        target_shape=shape,
        output_shape=(32, count),
        class_count=count,
        classes=classes,
    )
    return record(loss=loss)


def test_binary_targets_beyond_zero_and_one_are_an_error():
    assert RULE.judge(binary(-1.0, 1.0))[0].severity == "error"
    assert RULE.judge(binary(0.0, 255.0))[0].severity == "error"
    assert RULE.judge(binary(0.05, 0.95)) == []


def test_labels_below_zero_are_an_error_but_for_the_ignored_one():
    assert RULE.judge(labelled({-1: 3, 0: 30, 1: 30}, 2))[0].severity == "error"
    assert RULE.judge(labelled({-100: 30, 0: 30, 1: 30}, 2)) == []


def test_classes_counted_from_one_are_found():
    (found,) = RULE.judge(labelled({1: 50, 2: 50, 3: 50}, 4))
    assert found.severity == "warning"
    assert found.advice.startswith("y = y - 1")


def test_a_class_that_is_only_rare_passes():
    assert RULE.judge(labelled({1: 5, 2: 5, 3: 5}, 4)) == []
    assert RULE.judge(labelled({0: 50, 1: 50, 3: 50}, 4)) == []


def test_classes_that_became_the_ignored_label_are_found():
    (found,) = RULE.judge(labelled({-100: 60, 0: 60, 1: 60, 3: 60}, 5))
    assert found.evidence["classes never seen"] == [2, 4]


def test_ignored_positions_of_sequences_pass():
    assert RULE.judge(labelled({-100: 600, 1: 600, 3: 600}, 5, shape=(32, 20))) == []


def test_values_are_not_judged():
    assert isinstance(RULE.judge(record()), NotApplicable)
