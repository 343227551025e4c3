"""Networks by name: shapes, initialisation that fits, and what they refuse."""

import pytest
import torch
from torch import nn

from latih import InputError
from latih._notation import build, names
from latih.models import call_factory

SHAPES = {"mlp": (7,), "cnn": (3, 20, 20), "resnet": (1, 28, 28)}
ACTIVATIONS = [name for name in names("activations") if name not in ("glu",)]


def make(text, shape=None, outputs=4):
    torch.manual_seed(0)
    return build("models", text)(shape or SHAPES[text.split("(")[0]], outputs)


@pytest.mark.parametrize("name", names("models"))
@pytest.mark.parametrize("norm", names("norm"))
def test_every_model_trains_with_every_norm(name, norm):
    model = build("models", name).with_(norm=f"{norm}()", width=16)(SHAPES[name], 4)
    output = model(torch.randn(6, *SHAPES[name]))
    output.sum().backward()
    assert output.shape == (6, 4)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_builds_a_network(activation):
    model = make(f"mlp(depth=2, width=6, activation='{activation}()')")
    assert torch.isfinite(model(torch.randn(5, 7))).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (1, 64, 64), (2, 8, 2)])
@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_images_of_any_size_fit(name, shape):
    assert make(f"{name}(width=4)", shape).eval()(torch.randn(2, *shape)).shape == (2, 4)


def test_the_layers_start_with_the_variance_their_activation_asks_for():
    he = make("mlp(depth=2, width=400, activation='relu()')", (400,))
    lecun = make("mlp(depth=2, width=400, activation='selu()')", (400,))
    assert float(he[1].linear.weight.detach().var()) * 400 == pytest.approx(2.0, rel=0.02)
    assert float(lecun[1].linear.weight.detach().var()) * 400 == pytest.approx(1.0, rel=0.02)
    assert float(lecun[-1].weight.detach().var()) * (400 + 4) / 2 == pytest.approx(1.0, rel=0.1)


def test_a_twenty_layer_selu_network_keeps_the_signal_at_unit_variance():
    model = make("mlp(depth=20, width=200)", (200,))
    signal = model[:-1](torch.randn(500, 200)).detach()
    assert abs(float(signal.mean())) < 0.2
    assert 0.7 < float(signal.std()) < 1.3


def test_a_residual_block_starts_as_the_identity_when_it_has_batch_norm():
    model = make("resnet(blocks=2, width=8)").eval()
    block = model.stage1[1]
    x = torch.rand(2, 8, 10, 10)
    torch.testing.assert_close(block(x), x)


def test_resnet_has_the_published_depth():
    layers = [layer for layer in make("resnet(blocks=3)").modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    plain = [layer for layer in layers if isinstance(layer, nn.Linear) or layer.kernel_size != (1, 1)]
    assert len(plain) == 6 * 3 + 2


def test_selu_gets_the_dropout_that_keeps_mean_and_variance():
    assert any(isinstance(layer, nn.AlphaDropout) for layer in make("mlp(dropout=0.1)").modules())
    assert any(type(layer) is nn.Dropout for layer in make("mlp(dropout=0.1, activation='relu()')").modules())


def test_a_norm_before_the_activation_takes_the_bias_away_and_one_behind_leaves_it():
    before = make("mlp(depth=1, norm='batch()')")[1]
    after = make("mlp(depth=1, norm=\"batch(where='after')\")")[1]
    assert [name for name, _ in before.named_children()] == ["linear", "norm", "activation"]
    assert before.linear.bias is None
    assert [name for name, _ in after.named_children()] == ["linear", "activation", "norm"]
    assert after.linear.bias is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mlp(depth=-1)", "depth must be a whole number, at least 0"),
        ("mlp(width=0)", "width must be a whole number, at least 1"),
        ("mlp(dropout=1.0)", "dropout must lie between"),
        ("mlp(activation='glu()')", "glu halves its features"),
        ("mlp(activation='reul')", "did you mean 'relu'"),
        ("mlp(activation=selu)", "must be literals"),
        ("cnn(depth=0)", "depth must be a whole number, at least 1"),
        ("resnet(blocks=0)", "blocks must be a whole number, at least 1"),
        ("mlp(2.5)", "depth must be a whole number"),
    ],
)
def test_wrong_arguments_are_one_sentence(text, sentence):
    with pytest.raises(InputError, match=sentence):
        build("models", text)


def test_a_factory_gets_the_arguments_that_it_names(tmp_path, monkeypatch):
    (tmp_path / "zoo.py").write_text(
        "from torch import nn\n"
        "def bare(): return nn.Linear(1, 1)\n"
        "def sized(outputs): return nn.Linear(2, outputs)\n"
        "def both(**kw): return nn.Linear(kw['shape'][0], kw['outputs'])\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self): super().__init__(3, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    shapes = {
        name: tuple(call_factory(f"zoo:{name}", (5,), 4).weight.shape) for name in ("bare", "sized", "both", "Net")
    }
    assert shapes == {"bare": (1, 1), "sized": (4, 2), "both": (4, 5), "Net": (3, 3)}
