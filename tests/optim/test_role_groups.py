import pytest
import torch
from torch import nn

from latih import optim
from latih._checks import InputError
from latih.optim import groups
from latih.optim._roles import roles


class Encoder(nn.Module):
    """A transformer in small: position embeddings, a list of blocks, a norm, a head."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, 5, 4))
        self.words = nn.Embedding(9, 4)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(4, 2, 8) for _ in range(3)])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)


class Wrapped(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.inner = model


def by_name(model, **settings):
    """The rate and the decay of every trainable parameter, each exactly once."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    made = groups(model, lr=1.0, **settings)
    found = [(names[id(p)], group) for group in made for p in group["params"]]
    assert sorted(name for name, _ in found) == sorted(name for name, p in model.named_parameters() if p.requires_grad)
    assert len({group["name"] for group in made}) == len(made)
    return dict(found)


def rates(model, **settings):
    return {name: group["lr"] for name, group in by_name(model, **settings).items()}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(3, 4), {"weight": "weight", "bias": "bias"}),
        (nn.Conv2d(3, 4, 3), {"weight": "weight", "bias": "bias"}),
        (nn.LSTMCell(3, 4), {"weight_ih": "weight", "weight_hh": "weight", "bias_ih": "bias", "bias_hh": "bias"}),
        (nn.BatchNorm2d(3), {"weight": "norm", "bias": "norm"}),
        (nn.GroupNorm(2, 4), {"weight": "norm", "bias": "norm"}),
        (nn.LayerNorm((3, 4)), {"weight": "norm", "bias": "norm"}),
        (nn.RMSNorm((3, 4)), {"weight": "norm"}),
        (nn.InstanceNorm1d(3, affine=True), {"weight": "norm", "bias": "norm"}),
        (nn.Embedding(3, 4), {"weight": "embedding"}),
        (nn.EmbeddingBag(3, 4), {"weight": "embedding"}),
        (nn.PReLU(3), {"weight": "other"}),
        (nn.ParameterList([torch.zeros(3), torch.zeros(3, 3)]), {"0": "other", "1": "weight"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_role_follows_from_the_type_of_the_module(layer, expected):
    assert {use.name: use.role for use in roles(layer)} == expected
    found = by_name(layer, weight_decay=0.1)
    assert {name: group["role"] for name, group in found.items()} == expected
    assert {name: group["weight_decay"] for name, group in found.items()} == {
        name: 0.1 if role == "weight" else 0.0 for name, role in expected.items()
    }


def test_the_roles_agree_with_the_decay_groups():
    model = Encoder()
    decayed, spared = optim.decay_groups(model, 0.1)
    made = groups(model, lr=1.0, weight_decay=0.1)
    assert {id(p) for p in decayed["params"]} == {id(p) for g in made if g["role"] == "weight" for p in g["params"]}
    assert (decayed["role"], spared["role"]) == ("weight", "bias, norm, embedding")


def test_a_tied_head_is_an_embedding_of_the_first_block():
    model = Encoder()
    model.head = nn.Linear(4, 9)
    model.head.weight = model.words.weight
    found = by_name(model, weight_decay=0.1, layer_decay=0.5)
    assert found["words.weight"]["role"] == "embedding"
    assert found["words.weight"]["lr"] == found["positions"]["lr"] == 0.5**4
    assert found["head.bias"]["lr"] == 1.0


def test_the_rate_falls_by_the_layer_from_the_head_down():
    found = rates(Encoder(), layer_decay=0.5)
    assert found["head.weight"] == found["head.bias"] == 1.0
    assert [found[f"blocks.{i}.self_attn.in_proj_weight"] for i in range(3)] == [0.125, 0.25, 0.5]
    assert found["words.weight"] == found["positions"] == 0.0625
    assert found["norm.weight"] == 0.5  # with the block before it


def test_containers_and_lone_wrappers_are_opened():
    plain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 1))
    found = rates(plain, layer_decay=0.1)
    assert [found[f"{path}.weight"] for path in ("0", "2.0", "2.1", "3")] == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])
    wrapped = rates(Wrapped(Wrapped(plain)), layer_decay=0.1)
    assert list(wrapped.values()) == list(found.values())


def test_a_model_of_one_layer_is_its_own_head():
    assert set(rates(nn.Linear(2, 2), layer_decay=0.1).values()) == {1.0}
    assert set(rates(nn.BatchNorm1d(2), layer_decay=0.1, head_scale=3.0).values()) == {3.0}


def test_freezing_changes_no_other_layers_rate():
    model = Encoder()
    before = rates(model, layer_decay=0.5)
    model.blocks[2].requires_grad_(False)
    model.head.requires_grad_(False)
    after = rates(model, layer_decay=0.5)
    assert after == {name: rate for name, rate in before.items() if name in after}
    assert "blocks.0.linear1.weight" in after


def test_the_head_may_take_larger_steps():
    found = rates(Encoder(), head_scale=10.0)
    assert {name for name, rate in found.items() if rate == 10.0} == {"head.weight", "head.bias"}
    assert set(found.values()) == {1.0, 10.0}
    assert {group["name"].split(":")[0] for group in groups(Encoder(), lr=1.0, head_scale=10.0)} == {"body", "head"}
    assert rates(Encoder(), head_scale=10.0, layer_decay=0.5)["blocks.2.norm1.weight"] == 0.5


def test_blocks_can_be_named_where_they_lie_deeper():
    deep = Encoder()
    model = nn.ModuleDict({"encoder": deep, "pooler": nn.Linear(4, 4), "classifier": nn.Linear(4, 2)})
    found = rates(model, layer_decay=0.5, blocks=[*deep.blocks, model["classifier"]])
    assert found["classifier.weight"] == 1.0
    assert found["encoder.blocks.0.norm1.weight"] == found["encoder.words.weight"] == 0.125
    assert found["encoder.norm.weight"] == found["encoder.head.weight"] == found["pooler.weight"] == 0.5


def test_one_group_a_role_when_no_layer_differs():
    made = groups(Encoder(), lr=0.5, weight_decay=0.1)
    assert [group["name"] for group in made] == ["weight", "embedding", "bias", "norm"]
    assert {group["lr"] for group in made} == {0.5}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0}, r"^groups\(lr=0\): lr must be a number above 0"),
        ({"weight_decay": -1}, r"^groups\(weight_decay=-1\)"),
        ({"layer_decay": 0}, r"^groups\(layer_decay=0\): .*; 1 gives every layer the same rate\.$"),
        ({"layer_decay": 1.5}, r"^groups\(layer_decay=1\.5\): layer_decay must lie between 0 and 1"),
        ({"head_scale": -1}, r"^groups\(head_scale=-1\)"),
        ({"blocks": [nn.Linear(2, 2)]}, r"every block must be a module of the model; take them from it"),
        ({"blocks": []}, r"^groups\(blocks=\[\]\): name at least one block"),
    ],
)
def test_bad_settings_get_one_sentence(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        groups(nn.Linear(2, 2), **{"lr": 0.1, **settings})


def test_groups_need_something_to_train():
    with pytest.raises(InputError, match="no trainable parameter"):
        groups(nn.Linear(2, 2).requires_grad_(False), lr=0.1)


def test_the_table_shows_every_group_and_what_is_unsaid():
    model = nn.Sequential(nn.Linear(30, 40), nn.PReLU(), nn.Linear(40, 2))
    lines = optim.table(optim.adamw(lr=0.01)(groups(model, lr=0.01, weight_decay=0.05, layer_decay=0.3))).splitlines()
    assert lines[0].split() == ["group", "role", "tensors", "parameters", "lr", "weight", "decay"]
    assert [line.split() for line in lines[1:]] == [
        ["0:", "weight", "weight", "1", "1,200", "0.003", "0.05"],
        ["0:", "bias", "bias", "1", "40", "0.003", "0"],
        ["0:", "other", "other", "1", "1", "0.003", "0"],
        ["2:", "weight", "weight", "1", "80", "0.01", "0.05"],
        ["2:", "bias", "bias", "1", "2", "0.01", "0"],
        ["total", "5", "1,323"],
    ]
    bare = optim.table([{"params": [torch.zeros(3, 3)]}]).splitlines()
    assert bare[1].split() == ["-", "-", "1", "9", "-", "-"]
