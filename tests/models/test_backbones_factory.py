"""The user's own network as a backbone."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latih import InputError
from latih.models.backbones import find, rebuild


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    (tmp_path / "own_zoo.py").write_text(
        "from torch import nn\n"
        "def body(width): return [nn.Flatten(), nn.Linear(width, 16), nn.ReLU()]\n"
        "def sized(shape, outputs): return nn.Sequential(*body(shape[0] * shape[1]), nn.Linear(16, outputs))\n"
        "def fixed(): return nn.Sequential(*body(12), nn.Linear(16, 10))\n"
        "def bare(outputs): return nn.Linear(12, outputs)\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.flat, self.one, self.two = nn.Flatten(), nn.Linear(12, 3), nn.Linear(12, 3)\n"
        "    def forward(self, x): return self.one(self.flat(x)), self.two(self.flat(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 10))
    save_file(net.state_dict(), tmp_path / "own.safetensors")
    return net


@pytest.mark.parametrize("factory", ["sized", "fixed"])
def test_all_but_the_output_layer_has_the_file_s_weights(zoo, factory):
    backbone = find(f"own_zoo:{factory}", weights="own.safetensors", shape=(3, 4))
    net, x = backbone.build(5), torch.randn(6, 3, 4)
    assert (backbone.kind, backbone.shape, backbone.head, backbone.inputs()) == ("any", (3, 4), "3", None)
    torch.testing.assert_close(net[:3](x), zoo[:3](x))
    assert net(x).shape == (6, 5)


def test_the_output_layer_is_fresh_even_with_the_same_number_of_outputs(zoo):
    net = find("own_zoo:fixed", weights="own.safetensors", shape=(3, 4)).build(10)
    assert not torch.equal(net[3].weight, zoo[3].weight)
    assert net[3].bias.count_nonzero() == 0


def test_a_head_that_cannot_be_found_can_be_named(zoo, tmp_path):
    net = nn.ModuleDict({"one": nn.Linear(12, 3), "two": nn.Linear(12, 3)})
    save_file(net.state_dict(), tmp_path / "two.safetensors")
    with pytest.raises(InputError, match=r"cannot be told \(one, two\); name its path with head="):
        find("own_zoo:Two", weights="two.safetensors", shape=(3, 4))
    assert find("own_zoo:Two", weights="two.safetensors", shape=(3, 4), head="two").build(7).two.out_features == 7


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("own_zoo:sized", {"shape": (3, 4)}, "a reused network needs its weights"),
        ("own_zoo:sized", {"weights": "own.safetensors"}, "needs the shape of one input"),
        ("own_zoo:sized", {"weights": "none.safetensors", "shape": (3, 4)}, "none.safetensors"),
        ("own_zoo:sized", {"weights": "own.safetensors", "shape": (3, 5)}, "own.safetensors"),
        ("own_zoo:siezd", {"weights": "own.safetensors", "shape": (3, 4)}, "no callable 'siezd'"),
        ("no_zoo:sized", {"weights": "own.safetensors", "shape": (3, 4)}, "importing no_zoo raised"),
        ("own_zoo:bare", {"weights": "own.safetensors", "shape": (12,)}, "the whole network; it must be an nn.Linear"),
        ("own_zoo:sized", {"weights": "own.safetensors", "shape": (3, 4), "head": "9"}, "'9' is no layer of it"),
        ("own_zoo:sized", {"weights": "own.safetensors", "shape": (3, 4), "head": "2"}, "'2' is a ReLU"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(zoo, name, options, sentence):
    with pytest.raises(InputError, match=sentence):
        find(name, **options)


def test_code_is_never_imported_from_what_was_saved(zoo):
    backbone = find("own_zoo:sized", weights="own.safetensors", shape=(3, 4))
    with pytest.raises(InputError, match="only imported when you name it"):
        rebuild(backbone.name, backbone.config, 5)
