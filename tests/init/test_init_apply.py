"""One rule over a whole model: which layers, which fans, what is left alone."""

import copy

import pytest
import torch
from torch import nn

from latih import init
from latih._checks import InputError
from latih.init import he, lecun, orthogonal


def assert_variance(weight: torch.Tensor, variance: float) -> None:
    assert weight.square().mean().item() == pytest.approx(variance, rel=5 * (2 / weight.numel()) ** 0.5)


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Linear(300, 200), 300, 200),
        (nn.Conv1d(40, 60, 5), 200, 300),
        (nn.Conv2d(40, 60, 3, groups=4), 90, 135),
        (nn.Conv2d(64, 64, 7, groups=64), 49, 49),
        (nn.Conv3d(12, 20, 3), 324, 540),
        (nn.ConvTranspose1d(40, 90, 5), 200, 450),
        (nn.ConvTranspose2d(20, 80, 3), 180, 720),
        (nn.ConvTranspose2d(20, 80, 3, groups=4), 45, 180),
        (nn.ConvTranspose3d(10, 30, 3), 270, 810),
    ],
    ids=str,
)
def test_fans_are_those_of_one_unit_of_the_layer(layer, fan_in, fan_out):
    init.apply(layer, he(), torch.Generator().manual_seed(0))
    assert_variance(layer.weight, 2 / fan_in)
    init.apply(layer, he(mode="fan_out"), torch.Generator().manual_seed(0))
    assert_variance(layer.weight, 2 / fan_out)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(64, 64, 3, bias=False), nn.ConvTranspose2d(64, 32, 3, bias=False)], ids=str
)
def test_lecun_keeps_the_variance_of_a_convolution_away_from_the_border(layer):
    torch.manual_seed(0)
    init.apply(layer, lecun())
    middle = layer(torch.randn(8, 64, 16, 16))[..., 4:12, 4:12]
    assert middle.var().item() == pytest.approx(1.0, rel=0.1)


def test_a_transposed_convolution_is_orthogonal_in_its_own_layout():
    layer = nn.ConvTranspose2d(12, 5, 2)
    init.apply(layer, orthogonal())
    matrix = layer.weight.detach().transpose(0, 1).flatten(1)  # (out, in*kernel)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(5), atol=1e-5, rtol=0)


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 6)
        self.linear = nn.Linear(6, 6)
        self.norms = nn.ModuleList([nn.BatchNorm1d(6), nn.LayerNorm(6), nn.GroupNorm(2, 6)])
        self.recurrent = nn.LSTM(6, 6)
        self.bare = nn.Parameter(torch.ones(6, 6))
        self.slope = nn.PReLU()
        self.tied = nn.Linear(6, 10)
        self.tied.weight = self.embedding.weight
        self.conv = nn.Conv1d(6, 6, 3, bias=False)


def test_only_linear_and_convolution_weights_are_filled_and_their_biases_zeroed():
    model = Everything()
    before = copy.deepcopy(model.state_dict())
    assert init.apply(model, he()) == ["linear", "conv"]
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"linear.weight", "linear.bias", "tied.bias", "conv.weight"}
    assert not model.linear.bias.any()
    assert not model.tied.bias.any()


def test_a_weight_shared_by_two_layers_is_filled_once():
    first, second = nn.Linear(5, 5), nn.Linear(5, 5)
    second.weight = first.weight
    assert init.apply(nn.Sequential(first, second), he(), torch.Generator().manual_seed(3)) == ["0"]
    alone = he()(torch.empty(5, 5), torch.Generator().manual_seed(3))
    assert torch.equal(first.weight, alone)


def test_a_generator_makes_it_repeatable_and_leaves_the_global_one_alone():
    models = [nn.Sequential(nn.Linear(4, 8), nn.Conv1d(2, 4, 3)) for _ in range(2)]
    before = torch.get_rng_state()
    for model in models:
        init.apply(model, he(), torch.Generator().manual_seed(7))
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def empty_layer() -> nn.Module:
    with pytest.warns(UserWarning, match="zero-element"):
        return nn.Linear(0, 3)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (empty_layer, r"layer 'body.1' has an empty weight of shape \(3, 0\)"),
        (lambda: nn.LazyLinear(3), r"layer 'body.1' has no shape yet; run one batch"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)),
            r"the weight of layer 'body.1' is computed by a parametrization",
        ),
    ],
)
def test_a_layer_that_cannot_be_filled_is_named_and_nothing_is_changed(make, sentence):
    model = nn.ModuleDict({"body": nn.Sequential(nn.Linear(4, 3), make())})
    before = model["body"][0].weight.clone()
    with pytest.raises(InputError, match=sentence):
        init.apply(model, he())
    assert torch.equal(model["body"][0].weight, before)


def test_a_layer_that_is_the_model_itself_is_named_by_its_class():
    with pytest.raises(InputError, match="layer 'Linear' has an empty weight"):
        init.apply(empty_layer(), he())
