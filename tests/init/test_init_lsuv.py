"""Layer-sequential unit variance, and orthogonal convolutions."""

import pytest
import torch
from torch import nn

from latih import init
from latih._checks import InputError
from latih.init import delta_orthogonal


def outputs(model: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(lambda module, args, out: found.append(out)) for layer in layers]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return found


def test_every_layers_output_has_unit_variance_on_the_batch():
    torch.manual_seed(0)
    model = nn.Sequential(
        *[nn.Conv2d(3, 8, 3), nn.Softplus(), nn.Conv2d(8, 8, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(128, 16)],
        *[nn.Tanh(), nn.Linear(16, 4)],
    )
    images = torch.rand(16, 3, 8, 8) * 255
    table = init.lsuv(model, images, seed=0)
    assert all(abs(out.var(correction=0).item() - 1) < 0.05 for out in outputs(model, images))
    assert table.notes == []
    assert [row.layer for row in table.rows] == ["0", "2", "5", "7"]


def test_the_weights_stay_orthogonal_up_to_their_factor():
    model, inputs = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 5)), torch.randn(64, 20)
    table = init.lsuv(model, inputs)
    for row, layer in zip(table.rows, model[::2], strict=True):
        matrix = layer.weight.detach() / row.factor
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-5, rtol=0)


def test_layers_not_reached_are_named():
    model = nn.Sequential(nn.Linear(8, 8), nn.Threshold(1e9, 0.0), nn.Linear(8, 4))
    shared = nn.Linear(8, 8)
    table = init.lsuv(nn.Sequential(shared, nn.Tanh(), shared, model), torch.randn(32, 8))
    assert any("used more than once" in note for note in table.notes)
    assert any("3.2: its output has variance 0" in note for note in table.notes)


def test_a_frozen_layer_is_left_alone():
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    table = init.lsuv(model, torch.randn(32, 8))
    assert torch.equal(model[0].weight, before)
    assert "Not reached: 0: frozen" in table.notes[0]


@pytest.mark.parametrize(("arguments", "sentence"), [({"tolerance": 0}, "tolerance"), ({"steps": 0}, "steps")])
def test_bad_arguments_are_refused(arguments, sentence):
    with pytest.raises(InputError, match=rf"lsuv\({sentence}=0\)"):
        init.lsuv(nn.Linear(3, 3), torch.randn(4, 3), **arguments)


@pytest.mark.parametrize(
    "conv", [nn.Conv1d(6, 6, 3, padding=1), nn.Conv2d(5, 9, 5, padding=2), nn.Conv3d(4, 4, 3, 1, 1)], ids=str
)
def test_a_delta_orthogonal_convolution_keeps_every_length_up_to_the_border(conv):
    conv = conv.double()
    nn.init.zeros_(conv.bias)
    delta_orthogonal(gain=1.5)(conv.weight, torch.Generator().manual_seed(0))
    signal = torch.randn(2, conv.in_channels, *[6] * (conv.weight.dim() - 2), dtype=torch.float64)
    torch.testing.assert_close(conv(signal).flatten(1).norm(dim=1), 1.5 * signal.flatten(1).norm(dim=1))


def test_fifty_delta_orthogonal_linear_convolutions_lose_nothing_where_he_drifts():
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(50)])
    for conv in net:
        delta_orthogonal()(conv.weight)
    image = torch.randn(1, 8, 7, 7)
    assert net(image).norm().item() == pytest.approx(image.norm().item(), rel=1e-4)
    init.apply(net, init.lecun())
    assert net(image).norm().item() < 0.2 * image.norm().item()
