"""What `freeze` takes for the frozen part, what it says about it, and what it refuses."""

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from latih._checks import InputError
from latih._held import is_held
from latih.models import resnet
from latih.optim import Blocks, groups
from latih.transfer import freeze


class Tied(nn.Module):
    """Its output layer is its embedding, and one dropout serves both."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.drop = nn.Dropout(0.5)
        self.body = nn.Linear(4, 4)
        self.head = nn.Sequential(nn.Linear(4, 5), self.drop)
        self.head[0].weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.drop(self.embed(x))))


class Asking(nn.Module):
    """Asks for its mode, and is frozen in part."""

    def __init__(self) -> None:
        super().__init__()
        self.lower, self.upper = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.upper(nn.functional.dropout(self.lower(x), 0.5, self.training))


def network() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            noise=nn.Dropout(0.1),
            stem=nn.Linear(4, 4),
            drop1=nn.Dropout(0.1),
            layer1=nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.1)),
            drop2=nn.Dropout(0.1),
            layer2=nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1))),
            drop3=nn.Dropout(0.1),
            head=nn.Linear(4, 2),
            drop4=nn.Dropout(0.1),
        )
    )


def held(model: nn.Module) -> list[str]:
    """The dropouts and norms that are off."""
    return [
        path for path, one in model.named_modules() if is_held(one) and isinstance(one, nn.Dropout | nn.BatchNorm1d)
    ]


def layers(names: list[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


LOWER = ["noise", "drop1", "layer1.1", "layer1.3"]
PARTS = {
    "all": ({}, ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1.0", "head"],
            [*LOWER, "drop2", "layer2.1.1", "drop3", "drop4"]),
    "up to the last": ({"upto": "drop4"}, ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1.0", "head"],
                       [*LOWER, "drop2", "layer2.1.1", "drop3", "drop4"]),
    "but the head": ({"but": "head"}, ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1.0"],
                     [*LOWER, "drop2", "layer2.1.1"]),
    "up to a layer": ({"upto": "layer1"}, ["stem", "layer1.0", "layer1.1"], LOWER),
    "up to inside of a layer": ({"upto": "layer1.1"}, ["stem", "layer1.0", "layer1.1"], LOWER[:3]),
    "up to a dropout": ({"upto": "drop2"}, ["stem", "layer1.0", "layer1.1"], [*LOWER, "drop2"]),
    "up to deep inside": ({"upto": "layer2.1.0"}, ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1.0"],
                          [*LOWER, "drop2"]),
    "but something in the middle": ({"but": ["layer1"]}, ["stem", "layer2.0", "layer2.1.0", "head"],
                                    ["noise", "layer2.1.1", "drop3", "drop4"]),
    "but the norm": ({"upto": "layer1", "but": "layer1.1"}, ["stem", "layer1.0"], ["noise", "drop1"]),
    "but a dropout": ({"but": ["drop1", "head"]}, ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1.0"],
                      ["noise", "layer1.1", "layer1.3", "drop2", "layer2.1.1"]),
    "but the first": ({"but": "stem"}, ["layer1.0", "layer1.1", "layer2.0", "layer2.1.0", "head"],
                      ["layer1.1", "layer1.3", "drop2", "layer2.1.1", "drop3", "drop4"]),
    "but what comes later anyway": ({"upto": "stem", "but": "head"}, ["stem"], ["noise"]),
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_the_part_follows_the_order_of_definition_and_dropouts_their_neighbours(part):
    how, weights, off = PARTS[part]
    model = network().train()
    frozen = freeze(model, **how)
    model.train()
    assert layers(frozen.names) == weights
    assert held(model) == off
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name not in frozen.names)
    for path, module in model.named_modules():
        assert module.training != is_held(module), path


@given(st.data())
def test_whatever_is_named_the_frozen_parameters_are_those_before_its_end_and_not_left(data):
    model = network()
    paths = [path for path, _ in model.named_modules()][1:]
    upto = data.draw(st.none() | st.sampled_from(paths))
    but = data.draw(st.lists(st.sampled_from(paths), max_size=3))
    before = [(type(one), one.training, list(vars(one))) for one in model.modules()]
    end = "" if upto is None else upto
    last = max(at for at, path in enumerate(["", *paths]) if end == "" or f"{path}.".startswith(f"{end}."))
    expected = [
        f"{path}.{name}"
        for path in ["", *paths][: last + 1]
        if not any(f"{path}.".startswith(f"{top}.") for top in but)
        for name, _ in model.get_submodule(path).named_parameters(recurse=False)
    ]
    contradicts = upto is not None and any(f"{upto}.".startswith(f"{top}.") for top in but)
    if contradicts or not expected:
        with pytest.raises(InputError, match=r"would leave what upto|no weight to freeze"):
            freeze(model, upto, but=but)
    else:
        with freeze(model, upto, but=but) as frozen:
            assert frozen.names == expected
            assert [name for name, one in model.named_parameters() if not one.requires_grad] == expected
            assert sum(row.frozen for row in frozen.rows) == sum(model.get_parameter(name).numel() for name in expected)
    assert [(type(one), one.training, list(vars(one))) for one in model.modules()] == before


def test_stale_gradients_are_dropped_and_those_of_the_rest_stay():
    model = network()
    model(torch.randn(8, 4)).sum().backward()
    freeze(model, but="head")
    assert model.stem.weight.grad is None
    assert model.head.weight.grad is not None


def test_a_shared_parameter_and_a_shared_dropout_are_frozen_and_the_table_says_so():
    model = Tied()
    frozen = freeze(model, upto="embed")
    assert not model.head[0].weight.requires_grad
    assert model.head[0].bias.requires_grad
    assert model.train().drop.training
    assert frozen.notes == ["head.0.weight is frozen, for the frozen part uses it, too."]
    frozen.undo()
    frozen = freeze(model, but="head")
    assert frozen.names == ["embed.weight", "body.weight", "body.bias"]
    assert not model.train().drop.training
    assert str(frozen).splitlines()[-2:] == [
        "head.0.weight is frozen, for the frozen part uses it, too.",
        "head.1 is off here, too: the frozen part shares it.",
    ]


def test_a_module_left_by_one_of_its_names_is_left_by_all():
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    model["classifier"] = model["head"]
    assert freeze(model, but="classifier").names == ["body.weight", "body.bias"]


def test_a_module_frozen_in_part_that_asks_for_its_mode_is_named():
    said = "the model itself is frozen in part and keeps its mode, for which its own code asks."
    assert freeze(Asking(), "lower").notes == [said]
    assert freeze(Asking()).notes == []


def test_the_table_has_a_row_a_block_and_says_what_is_frozen_and_what_is_off():
    model = resnet(blocks=1, width=4, dropout=0.3)((1, 8, 8), 3)
    frozen = freeze(model, "stage1", but="stage1.0.branch.norm2")
    assert [row.block for row in frozen.rows] == Blocks.of(model).names
    assert [row.state for row in frozen.rows[:3]] == ["frozen", "frozen", "partly (144 frozen)"]
    assert [row.norms for row in frozen.rows[:4]] == [1, 1, 0, 0]
    assert {row.state for row in frozen.rows[3:]} == {"trained"}
    model = network()
    model.layer2[0].requires_grad_(False)
    model.layer2[1][0].bias.requires_grad_(False)
    model.drop1.p = 0.0
    assert str(freeze(model, "layer1")).splitlines() == [
        "block       weights  state                norms pinned  also off",
        "stem             20  frozen                          -  1 Dropout",
        "layer1.0         28  frozen                          1  1 Dropout",
        "layer2.0         20  untrained                       -  -",
        "layer2.1.0       20  partly trained (16)             -  -",
        "head             10  trained                         -  -",
        "total            98  partly (48 frozen)              1  -",
    ]


def test_blocks_keep_their_numbers_so_that_rates_stay():
    model = resnet(blocks=1, width=4)((1, 8, 8), 3)
    rates = {id(one): group["lr"] for group in groups(model, lr=0.1, layer_decay=0.5) for one in group["params"]}
    freeze(model, upto="stage2")
    now = {id(one): group["lr"] for group in groups(model, lr=0.1, layer_decay=0.5) for one in group["params"]}
    assert 0 < len(now) < len(rates)
    assert now.items() <= rates.items()


def test_freezes_add_up_and_are_undone_from_the_last_to_the_first():
    model = network()
    model.stem.bias.requires_grad_(False)
    first = freeze(model, "stem")
    second = freeze(model, "layer1")
    third = freeze(model, but="head")
    fourth = freeze(model, but="head")
    for early in (first, second, third):
        with pytest.raises(InputError, match=r"frozen again later; undo the latest freeze first\.$"):
            early.undo()
    fourth.undo()
    assert held(model) == [*LOWER, "drop2", "layer2.1.1"]
    third.undo()
    assert held(model) == LOWER
    assert model.layer2[0].weight.requires_grad
    second.undo()
    assert held(model) == ["noise"]
    first.undo()
    assert [name for name, one in model.named_parameters() if not one.requires_grad] == ["stem.bias"]
    assert all(module.training for module in model.train().modules())


def test_freezes_of_separate_layers_are_undone_in_any_order():
    model = network()
    first, second = freeze(model.layer1), freeze(model.layer2)
    first.undo()
    assert not any(module.training for module in model.train().layer2.modules())
    second.undo()
    assert all(module.training for module in model.train().modules())


def test_a_freeze_of_a_part_and_one_of_the_whole_are_told_apart():
    model = network()
    part = freeze(model.layer1)
    whole = freeze(model)
    with pytest.raises(InputError, match="undo the latest"):
        part.undo()
    whole.undo()
    part.undo()
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_block_ends_the_freeze_also_after_an_error():
    model = network()
    with pytest.raises(KeyError), freeze(model):
        raise KeyError
    assert all(module.training for module in model.train().modules())


def test_a_head_put_in_after_freezing_all_trains_and_follows_the_mode():
    model = network()
    frozen = freeze(model)
    model.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3))
    assert all(module.training for module in model.train().head.modules())
    assert not any(module.training for module in model.eval().head.modules())
    assert [name for name, one in model.named_parameters() if one.requires_grad] == ["head.1.weight", "head.1.bias"]
    frozen.undo()
    assert all(module.training for module in model.train().modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: freeze(network(), "layer3"), r"upto='layer3'\): there is no submodule 'layer3'; did you mean 'layer"),
        (lambda: freeze(network(), but="haed"), r"but=\['haed'\]\): .* 'haed'; did you mean 'head'\?$"),
        (lambda: freeze(network(), but=["head", "x.y.z"]), r"there is no submodule 'x\.y\.z'\.$"),
        (lambda: freeze(network(), "layer1.0", but="layer1"), "but='layer1' would leave what upto='layer1.0' names"),
        (lambda: freeze(network(), "layer1", but="layer1"), "but='layer1' would leave what upto='layer1' names"),
        (lambda: freeze(network(), "noise"), r"upto='noise'\): there is no weight to freeze; name a later upto"),
        (lambda: freeze(network(), but=""), "there is no weight to freeze"),
        (lambda: freeze(nn.ReLU()), r"^freeze\(model\): there is no weight to freeze"),
        (lambda: freeze(network(), but=nn.Linear(2, 2)), r"but=Linear\): name the submodule by its path\.$"),
        (lambda: freeze(network(), but=nn.Sequential()), r"but=Sequential\): name the submodule by its path\.$"),
        (lambda: freeze(network(), but=None), r"but=NoneType\): name the submodule by its path\.$"),
        (lambda: freeze(nn.Sequential(nn.LazyLinear(2))), r"0\.weight has no shape yet; run one batch through"),
        (lambda: freeze(nn.Linear(2, 2, device="meta")), "weight is on the meta device and has no values; load"),
        (lambda: freeze("resnet"), r"^freeze\(str\): model must be a torch\.nn\.Module\.$"),
    ],
)
def test_what_cannot_be_frozen_gets_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_script_module_in_the_frozen_part_is_refused_and_nothing_is_changed():
    model = nn.Sequential(nn.Linear(2, 2), torch.jit.script(nn.Linear(2, 2)), nn.Linear(2, 2))
    with pytest.raises(InputError, match="RecursiveScriptModule cannot be kept in evaluation mode"):
        freeze(model, but="2")
    assert not any(is_held(module) for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert freeze(model, but=["1", "2"]).names == ["0.weight", "0.bias"]
