"""Gains and functions that are known in closed form, and the fixed point of selu."""

import math

import pytest
import torch

from latih import activations as act
from latih._notation import build


@pytest.mark.parametrize(
    ("text", "forward", "backward"),
    [
        ("relu()", math.sqrt(2), math.sqrt(2)),
        ("threshold()", math.sqrt(2), math.sqrt(2)),
        ("leaky_relu(0.01)", math.sqrt(2 / 1.0001), math.sqrt(2 / 1.0001)),
        ("leaky_relu(0.2)", math.sqrt(2 / 1.04), math.sqrt(2 / 1.04)),
        ("prelu()", math.sqrt(2 / 1.0625), math.sqrt(2 / 1.0625)),
        ("identity()", 1.0, 1.0),
    ],
)
def test_piecewise_linear_gains_equal_their_closed_form(text, forward, backward):
    activation = build("activations", text)
    assert activation.gain() == pytest.approx(forward, rel=1e-9)
    assert activation.backward_gain() == pytest.approx(backward, rel=1e-9)


def test_hardtanh_gains_equal_their_closed_form():
    inside = math.erf(1 / math.sqrt(2))
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    second_moment = inside - 2 * density + (1 - inside)  # E[z²; |z| < 1] + P(|z| > 1)
    assert act.hardtanh().gain() == pytest.approx(second_moment**-0.5, rel=1e-4)
    assert act.hardtanh().backward_gain() == pytest.approx(inside**-0.5, rel=1e-4)


def test_gelu_gain_equals_its_closed_form():
    # E[z²Φ(z)²] = 1/4 + arcsin(1/2)/(2π) + 1/(2π√3)
    second_moment = 0.25 + math.asin(0.5) / (2 * math.pi) + 1 / (2 * math.pi * math.sqrt(3))
    assert act.gelu().gain() == pytest.approx(second_moment**-0.5, rel=1e-6)


def test_selu_has_mean_zero_and_variance_one_as_its_fixed_point():
    assert act.selu().gain() == pytest.approx(1.0, abs=1e-6)
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    mean = torch.trapezoid(act.selu()()(z) * density, z)
    assert mean.item() == pytest.approx(0.0, abs=1e-6)


def test_a_thousand_selu_layers_with_the_stated_initialisation_keep_mean_and_variance():
    torch.manual_seed(0)
    selu = act.selu()
    signal, module, initializer = torch.randn(500, 100), selu(), build("init", selu.init)
    for depth in range(1, 1001):
        signal = module(signal @ initializer(torch.empty(100, 100)).T)
        if depth % 100 == 0:
            assert abs(signal.mean().item()) < 0.1
            assert 0.8 < signal.std().item() < 1.1


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "prelu", "threshold", "selu"])
def test_the_stated_initialisation_is_the_gain_of_the_activation(name):
    activation = getattr(act, name)()
    weight = build("init", activation.init)(torch.empty(1000, 500, dtype=torch.float64))
    assert weight.var().item() * 500 == pytest.approx(activation.gain() ** 2, rel=0.02)


def test_rrelu_keeps_the_variance_in_training_under_its_initialisation():
    torch.manual_seed(0)
    activation = act.rrelu()
    module = activation().train()
    z = torch.randn(2_000_000, dtype=torch.float64)
    slope = float(activation.init.removeprefix("he(slope=").removesuffix(")"))
    assert module(z).square().mean().item() == pytest.approx((1 + slope**2) / 2, rel=0.005)


def test_a_layer_in_front_of_glu_keeps_the_variance_under_its_initialisation():
    torch.manual_seed(0)
    weight = build("init", act.glu().init)(torch.empty(1000, 500, dtype=torch.float64))
    assert weight.var().item() * 500 == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("leaky_relu(0.2)", lambda z: torch.maximum(0.2 * z, z)),
        ("elu(2.0)", lambda z: torch.where(z > 0, z, 2 * (z.exp() - 1))),
        ("celu(0.5)", lambda z: z.clamp(min=0) + (0.5 * ((z / 0.5).exp() - 1)).clamp(max=0)),
        (
            "selu()",
            lambda z: 1.0507009873554805 * torch.where(z > 0, z, 1.6732632423543772 * (z.exp() - 1)),
        ),
        ("gelu()", lambda z: z * 0.5 * (1 + torch.erf(z / math.sqrt(2)))),
        (
            "gelu('tanh')",
            lambda z: z / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
        ),
        ("silu()", lambda z: z / (1 + (-z).exp())),
        ("mish()", lambda z: z * torch.tanh(torch.log(1 + z.exp()))),
        ("hardswish()", lambda z: z * (z + 3).clamp(0, 6) / 6),
        ("softplus(2.0)", lambda z: torch.log(1 + (2 * z).exp()) / 2),
        ("logsigmoid()", lambda z: -torch.log(1 + (-z).exp())),
        ("softsign()", lambda z: z / (1 + z.abs())),
        ("hardsigmoid()", lambda z: (z / 6 + 0.5).clamp(0, 1)),
        ("tanhshrink()", lambda z: z - torch.tanh(z)),
        ("softshrink(0.3)", lambda z: z.sign() * (z.abs() - 0.3).clamp(min=0)),
        ("hardshrink(0.3)", lambda z: torch.where(z.abs() > 0.3, z, 0.0)),
        ("threshold(1.0, -2.0)", lambda z: torch.where(z > 1, z, -2.0)),
        ("softmin()", lambda z: (-z).exp() / (-z).exp().sum(-1, keepdim=True)),
        ("log_softmax()", lambda z: z - z.exp().sum(-1, keepdim=True).log()),
        ("glu()", lambda z: z[..., :4] / (1 + (-z[..., 4:]).exp())),
    ],
)
def test_the_module_computes_the_formula_of_the_docstring(text, reference):
    z = torch.linspace(-6, 6, 48, dtype=torch.float64).view(6, 8)
    module = build("activations", text)().double().eval()
    torch.testing.assert_close(module(z), reference(z))
