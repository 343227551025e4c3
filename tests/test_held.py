"""A held module stays in evaluation mode, and a released one is as if it had never been held."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, fx, nn

from latih._checks import InputError
from latih._held import hold, is_held, own_class, release
from latih.optim import Blocks


class Block(nn.Module):
    """Keeps its norm in evaluation mode by itself, and counts how often it is told a mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.told = 0

    def train(self, mode: bool = True) -> "Block":
        super().train(mode)
        self.told += 1
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.norm(self.linear(x)))
        return x + torch.randn_like(x) if self.training else x


class Final(nn.Module):
    def __init_subclass__(cls) -> None:
        raise TypeError("Final is final.")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Sequential(Block(), nn.Dropout(0.5), nn.ReLU()), Block())


def modes(model: nn.Module) -> dict[str, bool]:
    return {path: module.training for path, module in model.named_modules()}


def state(model: nn.Module) -> dict[str, tuple[type, bool, list[str]]]:
    return {path: (type(module), module.training, list(vars(module))) for path, module in model.named_modules()}


def held(model: nn.Module) -> nn.Module:
    hold(model)
    return model


@pytest.mark.parametrize("ask", [lambda m: m.train(), lambda m: m.eval().train(), lambda m: m[1][0].drop.train()])
def test_nothing_below_a_held_module_hears_train(ask):
    model = network()
    hold(model[1])
    ask(model)
    assert not any(modes(model[1]).values())
    assert model[0].training
    assert model[2].training
    x = torch.randn(8, 3)
    assert torch.equal(model[1](x), model[1](x))
    assert not torch.equal(model[2](x), model[2](x))


def test_a_mode_set_by_train_has_no_effects_of_its_own_while_held():
    model = held(network())
    told = model[2].told
    model.train()
    assert model[2].told == told


ASKS = {
    "nothing": lambda m: None,
    "train": lambda m: m.train(),
    "eval": lambda m: m.eval(),
    "train, then eval": lambda m: m.train().eval(),
    "a part": lambda m: m[1].train(),
    "all but a part": lambda m: (m.train(), m[1].eval()),
    "a leaf": lambda m: m[1][1].eval(),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("before", [lambda m: m, lambda m: m.eval(), lambda m: m[1].eval(), lambda m: m[2].drop.eval()])
def test_released_it_is_as_if_it_had_never_been_held(before, ask):
    model, reference = network(), network()
    for one in (model, reference):
        before(one)
    hold(model)
    for one in (model, reference):
        ASKS[ask](one)
    release(model)
    assert state(model) == state(reference)


def test_the_asked_mode_passes_through_every_hold_in_either_order():
    for first, second in ((0, 1), (1, 0)):
        model = network()
        parts = [model, model[1]]
        hold(parts[first])
        hold(parts[second])
        model.eval()
        model.train()
        release(parts[first])
        assert not any(modes(model[1]).values())
        assert model.training == (first == 0)
        release(parts[second])
        assert state(model) == state(network().train())


def test_releasing_what_is_not_held_changes_nothing():
    model = network().eval()
    release(model)
    assert state(model) == state(network().eval())


def test_what_is_taken_out_or_sliced_stays_and_what_is_put_in_is_free():
    model = network()
    hold(model)
    taken = nn.Sequential(*model.children(), nn.Dropout(0.5)).train()
    assert taken[3].training
    assert not any(modes(taken[1]).values())
    part = model[1][:2].train()
    assert not part[0].training
    assert not part[1].training
    model[2] = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    assert all(modes(model.train()[2]).values())
    assert not any(modes(model.eval()[2]).values())


def test_type_name_keys_hooks_and_parameters_stay_and_repr_says_it():
    model = network()
    called, weight = [], model[0].weight
    model[0].register_forward_hook(lambda *_: called.append(1))
    keys = list(model.state_dict())
    hold(model)
    assert isinstance(model[0], nn.Linear)
    assert type(model[0]).__name__ == "Linear"
    assert model[0].weight is weight
    assert list(model.state_dict()) == keys
    assert repr(model[0]) == "Linear(in_features=3, out_features=3, bias=True, held)"
    model(torch.randn(2, 3))
    assert called == [1]
    assert own_class(model[0]) is own_class(nn.Linear(1, 1)) is nn.Linear


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_held_for_itself(copying):
    model = network()
    hold(model[1])
    again = copying(model)
    assert not any(modes(again.train()[1]).values())
    assert type(again[1][0]) is type(model[1][0])
    release(again[1])
    assert all(is_held(part) for part in model[1].modules())
    told = again[1][0].told, again[2].told
    model[1][0].told, model[2].told = told
    release(model[1])
    assert {path: entry[:2] for path, entry in state(again).items()} == {
        path: entry[:2] for path, entry in state(model.train()).items()
    }


def test_modules_that_copy_themselves_are_held_in_the_copy():
    traced = fx.symbolic_trace(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)))
    parametrised = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    for model in (traced, parametrised):
        before, x = type(model), torch.randn(4, 3)
        hold(model)
        again = copy.deepcopy(model)
        assert is_held(again)
        assert not any(modes(again.train()).values())
        assert torch.equal(again(x), model(x))
        release(again)
        assert all(modes(again).values())
        release(model)
        assert type(model) is before


def test_a_tracer_still_takes_it_for_a_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    plain = str(fx.symbolic_trace(model).graph)
    assert str(fx.symbolic_trace(held(model)).graph) == plain


def test_a_held_container_is_still_opened_into_its_blocks():
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Linear(3, 3))
    names = Blocks.of(model).names
    assert len(names) == 3
    hold(model[0])
    assert Blocks.of(model).names == names
    assert Blocks.of(held(model)).names == names


@pytest.mark.parametrize(
    ("make", "name"), [(lambda: torch.jit.script(nn.Linear(3, 3)), "RecursiveScriptModule"), (Final, "Final")]
)
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_class_that_cannot_be_swapped_gets_one_sentence_and_nothing_changes(make, name):
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(make(), nn.Dropout(0.5)))
    before = state(model)
    with pytest.raises(InputError, match=rf"^{name} cannot be kept in evaluation mode, .*; do this before .*\.$"):
        hold(model)
    assert state(model) == before
