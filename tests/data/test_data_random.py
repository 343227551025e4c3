import pytest
import torch

from latih.data import permutation, uniform

MANY = torch.arange(100_000)


def splitmix64(state, count):
    """The published generator in plain integers: `count` outputs from `state` on."""
    mask, outputs = (1 << 64) - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        word = state
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB & mask
        outputs.append(word ^ (word >> 31))
    return outputs


def test_the_hash_is_splitmix64():
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]  # published test vector
    key = 0
    for word in (7, 3, 1):
        key = splitmix64((key + word) & ((1 << 64) - 1), 1)[0]
    reference = torch.tensor([word >> 11 for word in splitmix64(key - 0x9E3779B97F4A7C15, 50)]).double() * 2.0**-53
    assert torch.equal(uniform(7, 3, torch.arange(50), 1, dtype=torch.float64), reference)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_uniform_by_chi_square(dtype):
    numbers = uniform(0, 0, MANY, 0, dtype=dtype)
    assert numbers.dtype == dtype
    assert numbers.min() >= 0
    assert numbers.max() < 1
    seen = torch.histc(numbers.double(), 100, 0, 1)
    chi_square = ((seen - 1000) ** 2 / 1000).sum().item()
    assert 66.5 < chi_square < 139.0  # 0.5 % on either side of 99 degrees of freedom


def test_numbers_are_uniform_by_kolmogorov_and_smirnov():
    numbers = uniform(5, 2, MANY, 1, dtype=torch.float64).sort().values
    distance = (numbers - (MANY + 0.5) / len(MANY)).abs().max().item()
    assert distance * len(MANY) ** 0.5 < 1.63  # 1 %


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0)])
def test_seeds_epochs_and_draws_are_uncorrelated(other):
    seed, epoch, draw = other
    pair = torch.stack([uniform(0, 0, MANY, 0), uniform(seed, epoch, MANY, draw)])
    assert abs(torch.corrcoef(pair)[0, 1].item()) < 4 / len(MANY) ** 0.5


def test_neighbouring_samples_are_uncorrelated():
    numbers = uniform(0, 0, MANY, 0)
    assert abs(torch.corrcoef(torch.stack([numbers[1:], numbers[:-1]]))[0, 1].item()) < 4 / len(MANY) ** 0.5


def test_seed_and_epoch_cannot_be_exchanged():
    assert not torch.equal(uniform(1, 2, MANY, 0), uniform(2, 1, MANY, 0))


def test_a_samples_number_is_the_same_in_any_batch_and_shape():
    whole = uniform(3, 4, torch.arange(64), 5)
    order = torch.tensor([[63, 0], [7, 7]])
    assert torch.equal(uniform(3, 4, order, 5), whole[order])


def test_a_repeat_is_equal():
    assert torch.equal(uniform(3, 4, MANY, 5), uniform(3, 4, MANY, 5))


def test_a_permutation_visits_each_example_once_and_differs_by_epoch_and_seed():
    orders = [permutation(seed, epoch, 1000) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(1000))
    assert len({tuple(order.tolist()) for order in orders}) == 3
    assert torch.equal(orders[0], permutation(0, 0, 1000))


def test_every_order_of_three_is_as_likely():
    seen = {}
    for seed in range(1200):
        order = tuple(permutation(seed, 0, 3).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 6
    assert sum((count - 200) ** 2 / 200 for count in seen.values()) < 16.75  # 0.5 % of 5 degrees of freedom


def test_a_known_order_stays_known():
    assert permutation(0, 0, 8).tolist() == [0, 7, 1, 4, 2, 6, 3, 5]
