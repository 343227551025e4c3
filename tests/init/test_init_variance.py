"""The variances of the papers, for every distribution and kind of weight, in float64."""

import math

import pytest
import torch

from latih._checks import InputError
from latih.init import glorot, he, lecun, orthogonal

DISTRIBUTIONS = ("normal", "uniform", "truncated")
SHAPES = [(500, 400), (60, 40, 9), (40, 30, 3, 5), (20, 30, 3, 3, 3)]  # Linear and Conv1d to 3d: (out, in, *kernel)


def drawn(initializer, shape) -> torch.Tensor:
    return initializer(torch.empty(shape, dtype=torch.float64), torch.Generator().manual_seed(0))


def fans(shape) -> tuple[int, int]:
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def assert_variance(weight: torch.Tensor, variance: float) -> None:
    # the sample variance of n numbers strays by about sqrt(2/n): five of those for a normal
    tolerance = 5 * math.sqrt(2 / weight.numel())
    assert weight.square().mean().item() == pytest.approx(variance, rel=tolerance)
    assert abs(weight.mean().item()) < 5 * math.sqrt(variance / weight.numel())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_glorot_has_variance_gain_squared_over_the_mean_fan(shape, distribution):
    fan_in, fan_out = fans(shape)
    assert_variance(drawn(glorot(distribution), shape), 2 / (fan_in + fan_out))
    assert_variance(drawn(glorot(distribution, gain=5 / 3), shape), (5 / 3) ** 2 * 2 / (fan_in + fan_out))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_he_has_variance_two_over_one_plus_slope_squared_times_the_fan(shape, distribution):
    fan_in, fan_out = fans(shape)
    assert_variance(drawn(he(distribution=distribution), shape), 2 / fan_in)
    assert_variance(drawn(he(slope=0.5, distribution=distribution), shape), 1.6 / fan_in)
    assert_variance(drawn(he(mode="fan_out", distribution=distribution), shape), 2 / fan_out)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_lecun_has_variance_one_over_fan_in(shape, distribution):
    assert_variance(drawn(lecun(distribution), shape), 1 / fans(shape)[0])


def test_uniform_numbers_fill_the_interval_up_to_the_root_of_three_variances():
    weight = drawn(glorot("uniform"), (500, 400))
    limit = math.sqrt(3 * 2 / 900)
    assert 0.999 * limit < weight.abs().max().item() <= limit


def test_truncated_numbers_stop_at_two_widened_standard_deviations():
    weight = drawn(he(distribution="truncated"), (500, 400))
    limit = 2 * math.sqrt(2 / 400) / 0.87962566103423978
    assert 0.99 * limit < weight.abs().max().item() <= limit


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (5, 5), (4, 3, 3, 3), (40, 2, 3)])
def test_orthogonal_rows_or_columns_have_length_gain_and_right_angles(shape):
    matrix = drawn(orthogonal(gain=1.5), shape).flatten(1)
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(short @ short.T, 2.25 * torch.eye(len(short), dtype=torch.float64))


def test_fifty_relu_layers_keep_their_signal_under_he_and_lose_it_under_glorot():
    torch.manual_seed(0)
    spread = {}
    for initializer in (he(), glorot()):
        signal = torch.randn(200, 256, dtype=torch.float64)
        start = signal.square().mean()
        for _ in range(50):
            signal = (signal @ initializer(torch.empty(256, 256, dtype=torch.float64)).T).relu()
        spread[initializer.text] = (signal.square().mean() / start).item()
    assert 0.02 < spread["he()"] < 5.0
    assert 2.0**-56 < spread["glorot()"] < 2.0**-44  # halved in each of 50 layers


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: glorot(gain=0.0), r"glorot\(gain=0.0\): gain must be a number above 0\."),
        (lambda: orthogonal(gain=float("nan")), r"orthogonal\(gain=nan\): gain must be a number above 0\."),
        (lambda: he(slope=1.5), r"he\(slope=1.5\): slope must lie between 0 and 1\."),
        (lambda: he(mode="fan_im"), r"he\(mode='fan_im'\): mode must be one of fan_in, fan_out; did you mean 'fan_in'"),
    ],
)
def test_bad_arguments_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
