"""The published facts on how signals and gradients fare in deep stacks, on fixed seeds."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latih import init
from latih.init import glorot, he, lecun


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack(activation, depth: int, width: int, head: int = 0) -> nn.Sequential:
    layers = [part for _ in range(depth) for part in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, *([nn.Linear(width, head)] if head else []))


def test_a_thousand_selu_layers_keep_mean_zero_and_deviation_one_under_lecun():
    generator = seeded()
    signal, seen = torch.randn(500, 100, generator=generator), []
    for layer in range(1, 1001):
        signal = torch.selu(signal @ lecun()(torch.empty(100, 100), generator).T)
        if layer % 100 == 0:
            seen.append((signal.mean().item(), signal.std().item()))
    assert all(abs(mean) < 0.1 and 0.8 < std < 1.1 for mean, std in seen), seen


@pytest.mark.parametrize("seed", [0, 1])
def test_fifty_relu_layers_forget_their_input_under_torchs_default_and_not_under_he(seed):
    torch.manual_seed(seed)
    net, inputs = stack(nn.ReLU, 50, 256), torch.randn(500, 256)

    def spread() -> float:  # of a unit over the inputs, mean of the units
        with torch.no_grad():
            return net(inputs).std(0).mean().item()

    assert 9e-10 / 2 < spread() < 9e-10 * 2
    init.apply(net, he())
    assert 0.13 / 2 < spread() < 0.13 * 2


def first_to_last(net: nn.Sequential) -> float:
    """Norm of the first hidden layer's weight gradient over that of the last."""
    F.cross_entropy(net(torch.randn(300, 100)), torch.randint(0, 10, (300,))).backward()
    norms = [layer.weight.grad.norm().item() for layer in net[:-1] if isinstance(layer, nn.Linear)]
    return norms[0] / norms[-1]


def test_gradients_of_a_sigmoid_stack_vanish_with_depth_and_those_of_tanh_under_glorot_do_not():
    torch.manual_seed(0)
    shallow, deep = (first_to_last(stack(nn.Sigmoid, depth, 100, 10)) for depth in (4, 10))
    assert shallow < 0.05
    assert deep < 1e-4 * shallow
    net = stack(nn.Tanh, 10, 100, 10)
    init.apply(net, glorot("uniform"))
    assert 0.1 < first_to_last(net) < 10


def default(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The standard initialisation of Glorot & Bengio's comparison, uniform within 1/sqrt(fan_in)."""
    return nn.init.uniform_(weight, -(weight.shape[1] ** -0.5), weight.shape[1] ** -0.5, generator=generator)


@pytest.mark.parametrize(("draw", "expected"), [(default, 0.5), (glorot("uniform"), 0.8)], ids=["standard", "glorot"])
def test_the_mean_singular_value_of_a_layers_jacobian_is_as_published(draw, expected):
    generator = seeded()
    signal = torch.randn(1000, generator=generator)
    for _ in range(5):
        weight = draw(torch.empty(1000, 1000), generator)
        signal = torch.tanh(weight @ signal)
    jacobian = (1 - signal.square())[:, None] * weight
    assert torch.linalg.svdvals(jacobian).mean().item() == pytest.approx(expected, abs=0.06)


def test_glorot_under_deep_relu_halves_the_signals_square_in_every_layer():
    generator, depth = seeded(), 40
    signal = torch.randn(200, 1000, generator=generator)
    start = signal.square().mean()
    for _ in range(depth):
        signal = (signal @ glorot()(torch.empty(1000, 1000), generator).T).relu()
    # the log2 of a mean square strays by about sqrt(5·depth/width)/ln 2 = 0.65
    assert (signal.square().mean() / start).log2().item() == pytest.approx(-depth, abs=2.0)
