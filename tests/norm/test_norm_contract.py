"""What holds for every normalisation; a new one inherits these tests by existing."""

import inspect

import pytest
import torch
from torch import nn

from latih import norm
from latih._checks import InputError
from latih._notation import build, names

METHODS = names("norm")
REAL = [name for name in METHODS if name != "none"]
TEXTS = [
    "batch(where='after', momentum=0.01, eps=0.001)",
    "batch(keep_bias=True)",
    "layer(where='after', eps=0.001)",
    "group(groups=4, where='after', eps=0.001)",
    "rms(where='after', eps=0.001)",
]


@pytest.mark.parametrize("text", [f"{name}()" for name in METHODS] + TEXTS)
def test_the_text_is_its_own_notation_and_builds_an_equal_norm(text):
    made = build("norm", text)
    assert made.text == text
    again = build("norm", made.text)
    assert (again.where, again.bias) == (made.where, made.bias)
    assert repr(again(16, 2)) == repr(made(16, 2))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_the_module_fits_features_of_any_dimension_and_keeps_the_shape(name, dims):
    x = torch.randn(4, 16, *[5, 6, 7][:dims])
    module = getattr(norm, name)()(16, dims)
    assert module(x).shape == x.shape
    assert sum(p.numel() for p in module.parameters()) == {"none": 0, "rms": 16}.get(name, 32)


@pytest.mark.parametrize("name", METHODS)
def test_every_call_makes_a_fresh_module(name):
    spec = getattr(norm, name)()
    assert spec(8) is not spec(8)


@pytest.mark.parametrize("name", REAL)
def test_an_input_of_any_scale_comes_out_at_scale_one(name):
    x = 1e3 * torch.randn(64, 16, 8, 8, dtype=torch.float64)
    assert getattr(norm, name)()(16, 2).double()(x).square().mean().item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("name", REAL)
def test_where_is_before_unless_after_is_asked_for(name):
    method = getattr(norm, name)
    assert method().where == "before"
    assert method(where="after").where == "after"
    with pytest.raises(InputError, match=rf"{name}\(where='afte'\).*did you mean 'after'"):
        method(where="afte")


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("dims", [-1, 4, 1.5, None])
def test_impossible_dimensions_are_refused(name, dims):
    with pytest.raises(InputError, match=rf"{name}\(\)\(features, dims=.*\): dims must be 0"):
        getattr(norm, name)()(8, dims)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("eps", [0.0, -1e-5, float("nan")])
def test_an_eps_that_is_not_above_zero_is_refused(name, eps):
    with pytest.raises(InputError, match=rf"{name}\(eps=.*\): eps must be a number above 0\."):
        getattr(norm, name)(eps=eps)


@pytest.mark.parametrize("name", REAL)
def test_a_bias_is_dropped_only_where_the_norm_cancels_it(name):
    layer, module, x = nn.Linear(8, 16).double(), getattr(norm, name)()(16).double(), torch.randn(32, 8).double()
    without = module(layer(x) - layer.bias)
    cancelled = torch.allclose(module(layer(x)), without, atol=1e-9)
    assert cancelled is not getattr(norm, name)().bias


@pytest.mark.parametrize("name", METHODS)
def test_the_docstring_says_when_to_use_it_and_when_it_hurts(name):
    text = inspect.getdoc(getattr(norm, name)) or ""
    for word in ("Use it", "hurts", ">>>"):
        assert word in text
