"""What holds for every activation; a new one inherits these tests by existing."""

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

from latih import activations
from latih._checks import InputError
from latih._notation import build, names

METHODS = names("activations")
VARIANTS = [
    "leaky_relu(slope=0.2)",
    "leaky_relu(slope=0.001)",
    "leaky_relu(slope=1.0)",
    "prelu(slope=0.1)",
    "prelu(slope=0.0)",
    "rrelu(lower=0.2, upper=0.4)",
    "elu(alpha=2.0)",
    "elu(alpha=0.5)",
    "elu(alpha=0.005)",
    "celu(alpha=0.3)",
    "celu(alpha=3.0)",
    "gelu(approximate='tanh')",
    "softplus(beta=4.0)",
    "hardtanh(low=-2.0, high=0.5)",
    "softshrink(limit=0.1)",
    "hardshrink(limit=1.0)",
    "threshold(threshold=-1.0, value=3.0)",
    "softmax(dim=1)",
    "log_softmax(dim=0)",
    "softmin(dim=1)",
    "glu(dim=1)",
]
TEXTS = [f"{name}()" for name in METHODS] + VARIANTS
ELEMENTWISE = [text for text in TEXTS if build("activations", text).elementwise]


def slopes(activation: activations.Activation, z: torch.Tensor) -> torch.Tensor:
    """The slope by central differences in float64, which owes nothing to autograd."""
    module, half = activation().double().eval(), 1e-6
    with torch.no_grad():
        return (module(z + half) - module(z - half)) / (2 * half)


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_is_its_own_notation_and_builds_an_equal_module(text):
    activation = build("activations", text)
    assert activation.text == text
    again = build("activations", activation.text)
    x = torch.linspace(-4, 4, 64).view(8, 8)
    assert repr(again()) == repr(activation())
    assert torch.equal(again().eval()(x), activation().eval()(x))
    assert (again.init, again.saturates, again.elementwise) == (
        activation.init,
        activation.saturates,
        activation.elementwise,
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_call_makes_a_fresh_module(name):
    activation = getattr(activations, name)()
    first, second = activation(), activation()
    assert isinstance(first, nn.Module)
    assert first is not second
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


@pytest.mark.parametrize("text", TEXTS)
def test_the_initialisation_that_it_wants_exists_and_fills_a_weight(text):
    assert build("init", build("activations", text).init)(torch.empty(8, 4)).isfinite().all()


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_beyond_the_stated_bounds_less_than_one_percent_of_the_steepest_slope_passes_and_inside_more(text):
    activation = build("activations", text)
    grid = torch.cat([torch.linspace(-30, 30, 60_001), torch.tensor([-1e-3, 1e-3])]).double() + 1e-5
    steepest = slopes(activation, grid).abs().max()
    low, high = activation.saturates or (-math.inf, math.inf)
    share = slopes(activation, grid).abs() / steepest
    outside, margin = (grid < low - 1e-3) | (grid > high + 1e-3), 1e-3
    assert (share[outside] < 0.01).all()
    # the first points inside either bound are steep enough: the bound is not drawn too wide
    for edge in ([low + margin] if low > -math.inf else []) + ([high - margin] if high < math.inf else []):
        inside = slopes(activation, torch.tensor([edge], dtype=torch.float64)).abs() / steepest
        assert inside.item() >= 0.01
    # where nothing is stated, the far ends are not flat
    ends = slopes(activation, torch.tensor([-29.0, 29.0], dtype=torch.float64)).abs() / steepest
    assert ends[0] >= 0.01 or low > -math.inf
    assert ends[1] >= 0.01 or high < math.inf


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_an_elementwise_activation_treats_every_number_alone(text):
    module = build("activations", text)().eval()
    x = torch.linspace(-3, 3, 30)
    torch.testing.assert_close(module(x)[7:8], module(x[7:8]))
    assert module(x).shape == x.shape


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_gains_equal_monte_carlo_over_standard_normal_inputs(text):
    activation, n = build("activations", text), 400_000
    z = torch.from_numpy(np.random.default_rng(0).standard_normal(n))
    with torch.no_grad():
        forward = activation().double().eval()(z).square()
    for gain, squares in ((activation.gain(), forward), (activation.backward_gain(), slopes(activation, z).square())):
        error = squares.std().item() / math.sqrt(n)
        # central differences across a kink or a jump are not the slope: leave those few out of the spread
        assert gain**-2 == pytest.approx(squares[squares < 1e3].mean().item(), abs=5 * error + 1e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "glu"])
def test_what_mixes_its_inputs_has_no_gain(name):
    activation = getattr(activations, name)()
    assert not activation.elementwise
    with pytest.raises(InputError, match="no gain"):
        activation.gain()
    with pytest.raises(InputError, match="no gain"):
        activation.backward_gain()


def test_gains_leave_the_random_state_alone():
    before = torch.get_rng_state()
    assert activations.rrelu().gain() == activations.rrelu().gain()
    assert torch.equal(torch.get_rng_state(), before)


def test_every_activation_of_torch_is_here():
    ours = {type(getattr(activations, name)()()) for name in METHODS}
    theirs = {getattr(nn, name) for name in nn.modules.activation.__all__}
    # softmax(dim=-3) is Softmax2d; attention is a layer
    assert theirs - ours == {nn.Softmax2d, nn.MultiheadAttention}
    assert ours - theirs == {nn.Identity}


@pytest.mark.parametrize("name", METHODS)
def test_the_docstring_says_when_to_use_it_and_when_it_hurts(name):
    text = inspect.getdoc(getattr(activations, name)) or ""
    for word in ("Use it", "hurts", "Source:", ">>>"):
        assert word in text
