"""Every activation of torch.nn, as a module and as a function, is read under its own name with its constants."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import activation as torch_activations

from latih import tape
from latih.tape import Activation

# class -> (arguments, what the tape must say)
MODULES = {
    "Threshold": ((0.1, 20.0), Activation("threshold", {"threshold": 0.1, "value": 20.0})),
    "ReLU": ((), Activation("relu")),
    "RReLU": ((0.1, 0.3), Activation("rrelu", {"lower": 0.1, "upper": 0.3})),
    "Hardtanh": ((-2.0, 2.0), Activation("hardtanh", {"min_val": -2.0, "max_val": 2.0})),
    "ReLU6": ((), Activation("relu6")),
    "Sigmoid": ((), Activation("sigmoid")),
    "Hardsigmoid": ((), Activation("hardsigmoid")),
    "Tanh": ((), Activation("tanh")),
    "SiLU": ((), Activation("silu")),
    "Mish": ((), Activation("mish")),
    "Hardswish": ((), Activation("hardswish")),
    "ELU": ((1.5,), Activation("elu", {"alpha": 1.5})),
    "CELU": ((1.5,), Activation("celu", {"alpha": 1.5})),
    "SELU": ((), Activation("selu")),
    "GLU": ((), Activation("glu", {"dim": -1})),
    "GELU": (("tanh",), Activation("gelu", {"approximate": "tanh"})),
    "Hardshrink": ((0.4,), Activation("hardshrink", {"lambd": 0.4})),
    "LeakyReLU": ((0.3,), Activation("leaky_relu", {"negative_slope": 0.3})),
    "LogSigmoid": ((), Activation("logsigmoid")),
    "Softplus": ((2.0,), Activation("softplus", {"beta": 2.0, "threshold": 20.0})),
    "Softshrink": ((0.4,), Activation("softshrink", {"lambd": 0.4})),
    "PReLU": ((), Activation("prelu")),
    "Softsign": ((), Activation("softsign")),
    "Tanhshrink": ((), Activation("tanhshrink")),
    "Softmin": ((1,), Activation("softmin", {"dim": 1})),
    "Softmax": ((1,), Activation("softmax", {"dim": 1})),
    "Softmax2d": ((), Activation("softmax", {"dim": -3})),
    "LogSoftmax": ((1,), Activation("log_softmax", {"dim": 1})),
}

FUNCTIONS = {
    "F.relu": (F.relu, Activation("relu")),
    "torch.relu": (torch.relu, Activation("relu")),
    "Tensor.relu": (torch.Tensor.relu, Activation("relu")),
    "F.relu_": (F.relu_, Activation("relu")),
    "clamp(min=0)": (lambda z: z.clamp(min=0), Activation("relu")),
    "clamp_min": (lambda z: z.clamp_min(0), Activation("relu")),
    "maximum with 0": (lambda z: torch.maximum(z, torch.zeros(())), Activation("relu")),
    "clamp(0, 6)": (lambda z: z.clamp(0, 6), Activation("relu6")),
    "clamp(-1, 2)": (lambda z: z.clamp(-1, 2), Activation("hardtanh", {"min_val": -1, "max_val": 2})),
    "F.threshold": (lambda z: F.threshold(z, 0.1, 2.0), Activation("threshold", {"threshold": 0.1, "value": 2.0})),
    "F.leaky_relu": (lambda z: F.leaky_relu(z, 0.2), Activation("leaky_relu", {"negative_slope": 0.2})),
    "F.leaky_relu_": (lambda z: F.leaky_relu_(z, 0.2), Activation("leaky_relu", {"negative_slope": 0.2})),
    "F.elu": (F.elu, Activation("elu", {"alpha": 1.0})),
    "F.elu_": (F.elu_, Activation("elu", {"alpha": 1.0})),
    "F.selu": (F.selu, Activation("selu")),
    "F.selu_": (F.selu_, Activation("selu")),
    "torch.selu": (torch.selu, Activation("selu")),
    "F.celu": (lambda z: F.celu(z, 2.0), Activation("celu", {"alpha": 2.0})),
    "F.rrelu": (F.rrelu, Activation("rrelu", {"lower": 1 / 8, "upper": 1 / 3})),
    "F.prelu": (lambda z: F.prelu(z, torch.tensor([0.2])), Activation("prelu")),
    "F.gelu": (F.gelu, Activation("gelu", {"approximate": "none"})),
    "F.silu": (F.silu, Activation("silu")),
    "F.mish": (F.mish, Activation("mish")),
    "F.hardswish": (F.hardswish, Activation("hardswish")),
    "F.hardsigmoid": (F.hardsigmoid, Activation("hardsigmoid")),
    "F.hardtanh": (F.hardtanh, Activation("hardtanh", {"min_val": -1.0, "max_val": 1.0})),
    "F.relu6": (F.relu6, Activation("relu6")),
    "F.tanh": (torch.tanh, Activation("tanh")),
    "torch.sigmoid": (torch.sigmoid, Activation("sigmoid")),
    "Tensor.sigmoid_": (torch.Tensor.sigmoid_, Activation("sigmoid")),
    "F.softplus": (F.softplus, Activation("softplus", {"beta": 1.0, "threshold": 20.0})),
    "F.softsign": (F.softsign, Activation("softsign")),
    "F.tanhshrink": (F.tanhshrink, Activation("tanhshrink")),
    "F.hardshrink": (F.hardshrink, Activation("hardshrink", {"lambd": 0.5})),
    "F.softshrink": (F.softshrink, Activation("softshrink", {"lambd": 0.5})),
    "F.logsigmoid": (F.logsigmoid, Activation("logsigmoid")),
    "F.glu": (F.glu, Activation("glu", {"dim": -1})),
    "F.softmax": (lambda z: F.softmax(z, -1), Activation("softmax", {"dim": -1})),
    "F.log_softmax": (lambda z: F.log_softmax(z, -1), Activation("log_softmax", {"dim": -1})),
    "F.softmin": (lambda z: F.softmin(z, dim=-1), Activation("softmin", {"dim": -1})),
    "F.gumbel_softmax": (F.gumbel_softmax, Activation("gumbel_softmax")),
    "sin": (torch.sin, Activation("sin")),
    "nothing": (lambda z: z, Activation("none")),
}


class Mine(torch.autograd.Function):
    """A function whose author calls it Relu would still be unknown."""

    @staticmethod
    def forward(ctx, z):
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad


class Relu(Mine):
    pass


UNKNOWN = {
    "custom function": Mine.apply,
    "custom function named like one of torch's": Relu.apply,
    "silu written out": lambda z: z * torch.sigmoid(z),
    "gelu written out": lambda z: 0.5 * z * (1 + torch.erf(z / 2**0.5)),
    "tanh gelu written out": lambda z: 0.5 * z * (1 + torch.tanh(0.79788 * (z + 0.044715 * z**3))),
    "softsign written out": lambda z: z / (1 + z.abs()),
    "leaky relu by where": lambda z: torch.where(z > 0, z, 0.1 * z),
    "relu squared": lambda z: F.relu(z) ** 2,
    "abs": torch.abs,
    "exp": torch.exp,
    "clamp from above": lambda z: z.clamp(max=1),
    "maximum with 1": lambda z: torch.maximum(z, torch.ones(())),
    "one over": lambda z: 1 / (z.square() + 1),
    "gates of a hand-written lstm": lambda z: z[:, :8].sigmoid() * z[:, 8:].tanh(),
    "sign flipped relu": lambda z: -F.relu(-z),
}


class Functional(nn.Module):
    def __init__(self, function, features=None):
        super().__init__()
        self.first, self.function = nn.Linear(6, 16), function
        self.last = nn.LazyLinear(3)
        self(torch.zeros(2, 6))

    def forward(self, x):
        return self.last(self.function(self.first(x)))


def feeds(model, x):
    return tape.read(model, x).layers[0].feeds


def test_every_activation_of_torch_is_in_the_table():
    assert set(torch_activations.__all__) - set(MODULES) == {"MultiheadAttention"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_read_under_its_name(name):
    arguments, expected = MODULES[name]
    activation = getattr(nn, name)(*arguments)
    if name == "Softmax2d":
        model, x = nn.Sequential(nn.Conv2d(2, 4, 3), activation, nn.Conv2d(4, 1, 1)), torch.randn(2, 2, 5, 5)
    else:
        model, x = (
            nn.Sequential(nn.Linear(6, 16), activation, nn.Linear(8 if name == "GLU" else 16, 3)),
            torch.randn(4, 6),
        )
    assert feeds(model, x) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_read_under_its_name(name):
    function, expected = FUNCTIONS[name]
    assert feeds(Functional(function), torch.randn(4, 6)) == expected


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_the_graph_cannot_tell_is_unknown(name):
    assert feeds(Functional(UNKNOWN[name]), torch.randn(4, 6)) == Activation("unknown")


def test_an_activation_is_told_with_its_constants():
    assert str(Activation("leaky_relu", {"negative_slope": 0.2})) == "leaky_relu(negative_slope=0.2)"
    assert str(Activation("relu")) == "relu"
