"""Each norm against its equation, written out in float64."""

import pytest
import torch
from torch import nn

from latih._checks import InputError
from latih.norm import batch, group, layer, rms


def affine(module: nn.Module) -> nn.Module:
    """Give the module's scale and shift values that a test can miss."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.double()


def standardised(x: torch.Tensor, over: tuple[int, ...], eps: float) -> torch.Tensor:
    mean = x.mean(over, keepdim=True)
    variance = (x - mean).square().mean(over, keepdim=True)  # biased
    return (x - mean) / (variance + eps).sqrt()  # eps inside the root


def per_channel(parameter: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return parameter.view(1, -1, *[1] * (x.dim() - 2))


def inputs(dims: int, channels: int = 6) -> torch.Tensor:
    torch.manual_seed(0)
    # small enough for a large eps to show, and away from mean 0
    return 0.1 * torch.randn(5, channels, *[4, 3, 2][:dims], dtype=torch.float64) + 2.0


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_batch_norm_standardises_each_feature_over_the_batch_and_all_positions(dims):
    x, module = inputs(dims), affine(batch(eps=1e-2)(6, dims))
    over = (0, *range(2, x.dim()))
    expected = standardised(x, over, 1e-2) * per_channel(module.weight, x) + per_channel(module.bias, x)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("dims", [0, 2])
@pytest.mark.parametrize("momentum", [0.1, 0.01])
def test_batch_norm_runs_its_mean_and_the_unbiased_variance_and_uses_them_for_evaluation(dims, momentum):
    module = batch(momentum=momentum, eps=1e-3)(6, dims).double()
    mean, variance = torch.zeros(6, dtype=torch.float64), torch.ones(6, dtype=torch.float64)
    over = (0, *range(2, dims + 2))
    for step in range(20):
        x = inputs(dims) * (step + 1)
        module(x)
        mean = (1 - momentum) * mean + momentum * x.mean(over)
        variance = (1 - momentum) * variance + momentum * x.var(over, unbiased=True)
    torch.testing.assert_close(module.running_mean, mean)
    torch.testing.assert_close(module.running_var, variance)
    x = inputs(dims)
    expected = (x - per_channel(mean, x)) / (per_channel(variance, x) + 1e-3).sqrt()
    torch.testing.assert_close(module.eval()(x), expected)


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_standardises_groups_of_channels_within_each_example(dims, groups):
    x, module = inputs(dims), affine(group(groups, eps=1e-2)(6, dims))
    split = x.view(5, groups, -1)
    expected = standardised(split, (2,), 1e-2).view_as(x)
    expected = expected * per_channel(module.weight, x) + per_channel(module.bias, x)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_layer_norm_standardises_each_example_over_everything_it_holds(dims):
    x, module = inputs(dims), affine(layer(eps=1e-2)(6, dims))
    expected = standardised(x, tuple(range(1, x.dim())), 1e-2)
    expected = expected * per_channel(module.weight, x) + per_channel(module.bias, x)
    torch.testing.assert_close(module(x), expected)


def test_layer_norm_of_a_sequence_treats_every_position_alone():
    x, module = inputs(1).transpose(1, 2), layer(eps=1e-2)(6).double()
    torch.testing.assert_close(module(x), standardised(x, (2,), 1e-2))


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_rms_norm_divides_by_the_root_mean_square_over_the_features_of_each_position(dims):
    x, module = inputs(dims), affine(rms(eps=1e-2)(6, dims))
    expected = x / (x.square().mean(1, keepdim=True) + 1e-2).sqrt() * per_channel(module.weight, x)
    torch.testing.assert_close(module(x), expected)


def test_rms_norm_without_eps_takes_the_step_of_the_dtype():
    x = torch.full((1, 4), 1e-4)
    expected = x / (x.square().mean() + torch.finfo(torch.float32).eps).sqrt()
    torch.testing.assert_close(rms()(4)(x), expected)


@pytest.mark.parametrize(
    ("where", "keep_bias", "bias"),
    [("before", False, False), ("before", True, True), ("after", False, True), ("after", True, True)],
)
def test_batch_norm_drops_the_bias_only_before_the_activation(where, keep_bias, bias):
    assert batch(where=where, keep_bias=keep_bias).bias is bias


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: batch(momentum=0.0), r"batch\(momentum=0.0\): .*; at 0 the running statistics would never move\."),
        (lambda: batch(momentum=1.5), r"batch\(momentum=1.5\): momentum must lie between 0 and 1\."),
        (lambda: batch(keep_bias="no"), r"batch\(keep_bias='no'\): keep_bias must be True or False\."),
        (lambda: group(0), r"group\(groups=0\): groups must be at least 1\."),
        (lambda: group(2.0), r"group\(groups=2.0\): groups must be an integer\."),
        (lambda: group(8)(100), r"group\(groups=8\): groups must divide the 100 features; try groups=5\."),
        (lambda: group(8)(3, 2), r"group\(groups=8\): groups must divide the 3 features; try groups=3\."),
    ],
)
def test_bad_arguments_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
