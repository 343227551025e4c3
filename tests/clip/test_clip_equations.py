"""Each clip against its equation, written out in float64."""

import math

import pytest
import torch
from torch import Tensor, nn

from latih import clip
from latih._checks import InputError


def parameters(scale: float = 5.0) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(6, 2, 3, 3), (6,), (5, 6), (5,), (3, 5), (3,)]
    made: list[Tensor] = [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in shapes]
    for parameter, share in zip(made, (1.0, 0.1, 0.01, 0.001, 1.0, 1.0), strict=True):
        parameter.grad = scale * share * torch.randn_like(parameter)
    return made


def assert_gradients(made: list[Tensor], expected: list[Tensor]) -> None:
    for parameter, gradient in zip(made, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=0)


@pytest.mark.parametrize("limit", [0.01, 1.0, 30.0, 1e6])
def test_norm_scales_all_gradients_by_one_factor(limit):
    made = parameters()
    total = math.sqrt(sum(parameter.grad.square().sum().item() for parameter in made))
    expected = [parameter.grad * min(1.0, limit / total) for parameter in made]
    clipped = clip.norm(limit)(made)
    assert_gradients(made, expected)
    assert clipped.removed.item() == pytest.approx(1 - min(1.0, limit / total), abs=1e-12)


def test_norm_meets_its_limit_exactly_even_when_the_limit_is_tiny():
    made = parameters()
    clip.norm(1e-8)(made)
    total = math.sqrt(sum(parameter.grad.square().sum().item() for parameter in made))
    assert total == pytest.approx(1e-8, rel=1e-12)


def test_norm_agrees_with_torch_up_to_the_trace_that_torch_adds():
    made, reference = parameters(), parameters()
    clip.norm(1.0)(made)
    nn.utils.clip_grad_norm_(reference, 1.0)
    for one, other in zip(made, reference, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=0)


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6])
def test_value_cuts_every_element_to_the_interval(limit):
    made = parameters()
    expected = [parameter.grad.clamp(-limit, limit) for parameter in made]
    clip.value(limit)(made)
    assert_gradients(made, expected)


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6])
def test_per_layer_scales_each_gradient_by_its_own_factor(limit):
    made = parameters()
    expected = [parameter.grad * min(1.0, limit / parameter.grad.norm().item()) for parameter in made]
    clip.per_layer(limit)(made)
    assert_gradients(made, expected)


def units_cut(parameter: Tensor, limit: float, floor: float) -> Tensor:
    rows = []
    for weight, gradient in zip(parameter.detach(), parameter.grad, strict=True):
        allowed = limit * max(weight.norm().item(), floor)
        rows.append(gradient * min(1.0, allowed / gradient.norm().item()))
    return torch.stack(rows)


@pytest.mark.parametrize("limit", [0.01, 0.16, 2.0])
@pytest.mark.parametrize("head", [False, True])
def test_adaptive_limits_each_unit_relative_to_its_weights_but_not_vectors_and_not_the_head(limit, head):
    made = parameters()
    clipped = {0, 2, 4} if head else {0, 2}
    expected = [
        units_cut(parameter, limit, 1e-3) if place in clipped else parameter.grad.clone()
        for place, parameter in enumerate(made)
    ]
    clip.adaptive(limit, head=head)(made)
    assert_gradients(made, expected)


def test_adaptive_lets_a_weight_that_starts_at_zero_move_by_the_floor():
    weight = nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    weight.grad = torch.ones_like(weight)
    clip.adaptive(0.1, floor=0.02, head=True)([weight])
    torch.testing.assert_close(weight.grad.norm(dim=1), torch.full((4,), 0.1 * 0.02, dtype=torch.float64))


def test_adaptive_does_not_let_a_broken_weight_break_its_gradient():
    weight = nn.Parameter(torch.full((2, 3), float("nan")))
    weight.grad = torch.ones_like(weight)
    clip.adaptive(head=True)([weight])
    assert torch.equal(weight.grad, torch.ones(2, 3))


def test_none_returns_nothing():
    assert clip.none()(parameters()) is None


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: clip.adaptive(floor=0.0),
            r"adaptive\(floor=0.0\): .*; without it a weight that starts at 0 never moves",
        ),
        (lambda: clip.adaptive(head="yes"), r"adaptive\(head='yes'\): head must be True or False\."),
    ],
)
def test_bad_arguments_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
