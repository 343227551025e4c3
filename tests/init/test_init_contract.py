"""What holds for every initializer; a new one inherits these tests by existing."""

import inspect

import pytest
import torch

from latih import init
from latih._checks import InputError
from latih._notation import build, names

DISTRIBUTIONS = ("normal", "uniform", "truncated")
METHODS = names("init")
SCALED = [name for name in METHODS if "distribution" in inspect.signature(getattr(init, name)).parameters]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", METHODS)
def test_it_fills_in_place_and_returns_the_same_weight(name):
    weight = torch.zeros(6, 4, requires_grad=True)
    assert getattr(init, name)()(weight) is weight
    assert weight.detach().ne(0).any()
    assert weight.requires_grad
    assert weight.grad_fn is None


@pytest.mark.parametrize("name", METHODS)
def test_a_generator_decides_the_numbers_and_the_global_one_is_left_alone(name):
    initializer, before = getattr(init, name)(), torch.get_rng_state()
    first, second, other = (initializer(torch.empty(5, 3), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", METHODS)
def test_the_default_is_written_without_arguments(name):
    assert getattr(init, name)().text == f"{name}()"


@pytest.mark.parametrize(
    "text",
    [
        "glorot(distribution='uniform', gain=2.0)",
        "he(slope=0.2, mode='fan_out', distribution='truncated')",
        "lecun(distribution='uniform')",
        "orthogonal(gain=1.5)",
    ],
)
def test_the_text_builds_an_equal_initializer(text):
    initializer = build("init", text)
    assert initializer.text == text
    again = build("init", initializer.text)
    assert torch.equal(initializer(torch.empty(7, 5), seeded()), again(torch.empty(7, 5), seeded()))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_dtype_is_filled_with_finite_numbers(name, dtype):
    weight = getattr(init, name)()(torch.empty(40, 30, dtype=dtype))
    assert weight.isfinite().all()
    assert weight.float().std() > 0.05


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(4,), (0, 3), (3, 0), ()])
def test_a_tensor_that_is_no_weight_is_refused(name, shape):
    with pytest.raises(InputError, match=r"a weight is \(out, in, \*kernel\)"):
        getattr(init, name)()(torch.empty(shape))


@pytest.mark.parametrize("name", SCALED)
def test_an_unknown_distribution_is_refused_with_a_hint(name):
    with pytest.raises(InputError, match=rf"{name}\(distribution='uniforn'\).*did you mean 'uniform'"):
        getattr(init, name)(distribution="uniforn")
