import pytest
import torch

from latih._checks import InputError
from latih.data import TensorExamples


def examples():
    return TensorExamples(torch.arange(20, dtype=torch.uint8).view(10, 1, 1, 2), torch.arange(10) * 10)


def test_batches_follow_the_order_and_the_last_may_be_smaller():
    order = torch.tensor([9, 0, 3, 3, 7])
    batches = list(examples().batches(order, 2))
    assert [len(batch.indices) for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch.indices for batch in batches]), order)
    assert torch.equal(torch.cat([batch.targets for batch in batches]), order * 10)
    assert torch.equal(torch.cat([batch.inputs for batch in batches])[:, 0, 0, 0], (order * 2).to(torch.uint8))


def test_an_empty_order_yields_no_batch():
    assert list(examples().batches(torch.empty(0, dtype=torch.int64), 4)) == []


def test_a_subset_counts_from_zero_again_and_is_a_copy():
    whole = examples()
    part = whole.subset(torch.tensor([5, 2]))
    part.inputs.zero_()
    assert part.targets.tolist() == [50, 20]
    assert len(part) == 2
    assert part.shape == (1, 1, 2)
    assert whole.inputs[5].sum() == 21


def test_moving_to_a_device_moves_inputs_targets_and_batches():
    moved = examples().to("meta")
    batch = next(moved.batches(torch.arange(4), 4))
    assert {part.device.type for part in batch} == {"meta"}


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match="one row for each example"):
        TensorExamples(torch.zeros(3, 2), torch.zeros(4))


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        next(examples().batches(torch.arange(3), 0))
