import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latih._checks import InputError
from latih.data import split, split_notes


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.floats(0.01, 0.99), st.integers(0, 5))
def test_classes_keep_their_proportions(counts, fraction, seed):
    if max(counts) < 2:
        counts = [*counts, 2]
    targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    targets = targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))]
    train, valid = split(targets, fraction, seed, "classification")
    assert torch.equal(torch.cat([train, valid]).sort().values, torch.arange(len(targets)))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(valid, valid.sort().values)
    for label, count in enumerate(counts):
        held_out = int((targets[valid] == label).sum())
        if count == 1:
            assert held_out == 0
        else:
            assert 1 <= held_out <= count - 1
            assert abs(held_out - fraction * count) < 1 or held_out in (1, count - 1)


def test_largest_remainders_are_rounded_up_so_the_whole_is_right():
    targets = torch.arange(4).repeat_interleave(torch.tensor([14, 16, 18, 12]))
    _, valid = split(targets, 0.1, 0, "classification")  # 1.4 1.6 1.8 1.2 of 6
    assert torch.bincount(targets[valid]).tolist() == [1, 2, 2, 1]


def test_the_choice_within_a_class_is_random_and_even():
    targets = torch.zeros(20, dtype=torch.int64)
    seen = torch.zeros(20)
    for seed in range(400):
        seen[split(targets, 0.5, seed, "classification")[1]] += 1
    assert ((seen - 200) ** 2 / 100).sum() < 38.6  # 0.5 % of 19 degrees of freedom


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_seed_repeats_and_another_differs(task):
    targets = torch.arange(200) % 2 if task == "classification" else torch.rand(200, 2)
    first, again, other = (split(targets, 0.2, seed, task)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first) == 40


def test_labels_need_not_be_consecutive():
    train, valid = split(torch.tensor([7, 7, -1, -1]), 0.5, 0, "classification")
    assert (len(train), len(valid)) == (2, 2)


def test_two_values_give_one_to_each_part():
    train, valid = split(torch.rand(2, 1), 0.01, 0, "regression")
    assert (len(train), len(valid)) == (1, 1)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_is_refused(fraction):
    with pytest.raises(InputError, match="between 0 and 1, both excluded"):
        split(torch.arange(4), fraction, 0, "regression")


def test_too_few_examples_are_refused():
    with pytest.raises(InputError, match="at least 2 examples"):
        split(torch.zeros(1), 0.5, 0, "regression")


def test_classes_of_one_example_each_are_refused():
    with pytest.raises(InputError, match="no example can be held out"):
        split(torch.arange(5), 0.5, 0, "classification")


def test_a_class_of_one_example_trains_and_is_noted():
    targets = torch.tensor([0, 0, 0, 1, 2, 2])
    train, _ = split(targets, 0.5, 0, "classification")
    assert 3 in train.tolist()
    assert split_notes(targets, "classification", ("a", "b", "c")) == (
        "1 of 3 classes have a single example, kept for training: b",
    )
    assert split_notes(targets, "regression") == ()
    assert split_notes(targets[:3], "classification") == ()
