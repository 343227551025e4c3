import torch
from structure_records import LEARNT, STUCK, curve, record, values

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l207_labels_unrelated import RULE
from latih.watch import Batch, Evaluation, Loss, Probes, association


def pairs(losses, p, size=300, **facts):
    loss = Loss(
        kind="mse",
        ops=["mse", "mean"],
        baseline=1.0,
        floor=0.0,
        association=p,
        association_size=size,
        target_shape=(32,),
        **facts,
    )
    return record(losses, loss=loss)


def test_pairs_that_look_like_chance_in_a_run_that_stands_still_are_found():
    (found,) = RULE.judge(pairs(STUCK, 0.4))
    assert found.severity == "warning"
    assert found.evidence["threshold"] == 0.05


def test_in_many_columns_a_plateau_is_waited_for_unless_the_run_is_over():
    told = pairs(STUCK, 0.4)
    told.inputs = values(shape=(32, 3, 16, 16))
    assert RULE.judge(told) == []
    told.ended = True
    assert RULE.judge(told) != []
    long = pairs(curve(1.0, count=250), 0.4)
    long.inputs = values(shape=(32, 3, 16, 16))
    assert RULE.judge(long) != []


def test_pairs_that_go_together_pass():
    assert RULE.judge(pairs(STUCK, 1e-6)) == []


def test_a_network_that_has_found_more_than_the_test_passes():
    assert RULE.judge(pairs(LEARNT, 0.4)) == []
    assert RULE.judge(pairs(curve(0.8), 0.4)) == []  # nobody told whether it holds on other data


def test_what_is_learned_of_pairs_by_chance_does_not_hold_on_validation_data():
    told = pairs(curve(0.8), 0.4)
    told.evaluations = [Evaluation(step=100, part="valid", values={"loss": 1.1})]
    assert RULE.judge(told) != []
    told.evaluations = [Evaluation(step=100, part="valid", values={"loss": 0.9})]
    assert RULE.judge(told) == []


def test_few_pairs_or_classes_of_one_kind_are_not_judged():
    assert isinstance(RULE.judge(pairs(STUCK, 0.4, size=50)), NotApplicable)
    assert isinstance(RULE.judge(pairs(STUCK, 0.4, classes={0: 290, 1: 10})), NotApplicable)
    assert isinstance(RULE.judge(record()), NotApplicable)


def test_positions_in_the_batch_are_no_labels():
    assert RULE.judge(pairs(STUCK, 0.4, classes=dict.fromkeys(range(300), 1))) == []


def test_parts_of_a_pair_that_must_find_each_other_have_no_labels():
    batches = [Batch(size=32, classes=dict.fromkeys(range(32), 1))] * 9 + [Batch(size=4, classes={0: 1, 1: 1})]
    seen = pairs(STUCK, 1.0, classes=dict.fromkeys(range(32), 9), batches=batches)
    assert isinstance(RULE.judge(seen), NotApplicable)


def test_before_a_run_the_pairs_must_look_more_like_chance_than_after_it():
    before, likelier = pairs([], 0.1), pairs([], 0.5)
    before.probes = likelier.probes = Probes()
    assert RULE.judge(before) == []
    assert RULE.judge(likelier) != []
    assert RULE.judge(pairs(STUCK, 0.1)) != []


def test_a_single_token_has_no_neighbours():
    seen = pairs(STUCK, 0.4)
    seen.inputs = values(shape=(32,), dtype="int64")
    assert isinstance(RULE.judge(seen), NotApplicable)


def test_the_test_itself_holds_its_level_and_sees_relations():
    torch.manual_seed(0)
    chance = [association(torch.randn(120, 5), torch.randn(120)) for _ in range(30)]
    assert sum(p < 0.05 for p in chance) <= 5
    x = torch.randn(120, 5)
    assert association(x, x[:, 0] + torch.randn(120)) < 1e-3
    assert association(x, (x[:, 0] * x[:, 1] > 0).long()) < 0.2
    assert association(x, x[:, 0].abs()) < 1e-2
