import copy

import pytest
import torch
from torch import nn

from latih import optim
from latih._checks import InputError
from latih.optim import migrate


def network(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, outputs))


def train(model, optimizer, seeds):
    for seed in seeds:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


TORCHS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.1),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p),
}


@pytest.mark.parametrize("make", TORCHS.values(), ids=TORCHS.keys())
def test_regrouping_torchs_own_optimizers_changes_nothing(make):
    model = network()
    old = make(model.parameters())
    train(model, old, range(4))
    other = copy.deepcopy(model)
    biases = [p for n, p in other.named_parameters() if "bias" in n]
    new = make([{"params": biases}, {"params": [p for n, p in other.named_parameters() if "bias" not in n]}])
    assert len(migrate(old, new, other, old_model=model).carried) == 6
    train(model, old, range(4, 10))
    train(other, new, range(4, 10))
    assert same(model, other)


def test_the_groups_settings_stay_the_new_optimizers():
    model = network()
    old = optim.adamw(lr=0.1, weight_decay=0.5)(model)
    train(model, old, range(2))
    new = optim.adamw(lr=0.003, betas=(0.8, 0.99))(optim.groups(model, lr=0.002, layer_decay=0.5))
    before = [{k: v for k, v in group.items() if k != "params"} for group in new.param_groups]
    migrate(old, new, model)
    assert [{k: v for k, v in group.items() if k != "params"} for group in new.param_groups] == before
    for parameter in model.parameters():
        assert torch.equal(new.state[parameter]["exp_avg"], old.state[parameter]["exp_avg"])
        assert new.state[parameter]["exp_avg"] is not old.state[parameter]["exp_avg"]


def test_unfreezing_keeps_the_heads_state_and_starts_the_rest_fresh():
    model = network()
    model[0].requires_grad_(False)
    old = optim.adam()(model)
    train(model, old, range(3))
    model.requires_grad_(True)
    new = optim.adam()(model)
    report = migrate(old, new, model)
    assert report.fresh == ["0.weight", "0.bias"]
    assert report.carried == ["1.weight", "1.bias", "3.weight", "3.bias"]
    assert report.dropped == []
    train(model, new, [9])
    assert new.state[model[0].weight]["step"] == 1
    assert new.state[model[3].weight]["step"] == 4


def test_freezing_drops_what_is_no_longer_trained():
    model = network()
    old = optim.momentum()(model)
    train(model, old, range(3))
    model[3].requires_grad_(False)
    new = optim.momentum()(model)
    assert migrate(old, new, model).dropped == ["3.weight", "3.bias"]
    train(model, new, range(3))


def test_a_replaced_head_of_another_shape_starts_fresh():
    model = network()
    old = optim.adagrad(accumulator=0.1)(model)
    train(model, old, range(3))
    other = network(outputs=5)
    new = optim.adagrad(accumulator=0.1)(other)
    report = migrate(old, new, other, old_model=model)
    assert report.fresh == ["3.weight", "3.bias"]
    assert new.state[other[3].weight]["sum"].eq(0.1).all()  # as a new one starts
    assert torch.equal(new.state[other[0].weight]["sum"], old.state[model[0].weight]["sum"])
    train(other, new, range(3))


def test_a_weight_that_changes_its_half_of_muon_starts_fresh():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3))
    old = optim.muon()(model)
    train(model, old, range(3))
    deeper = nn.Sequential(*model, nn.Linear(3, 2))
    new = optim.muon()(deeper)
    assert migrate(old, new, deeper, old_model=model).fresh == ["2.weight", "3.weight", "3.bias"]
    train(deeper, new, range(3))
    assert set(new.state[deeper[2].weight]) == {"momentum_buffer"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda p: torch.optim.Adam(p), lambda p: torch.optim.Adam(p, amsgrad=True)),
        (lambda p: torch.optim.RMSprop(p), lambda p: torch.optim.RMSprop(p, momentum=0.9)),
        (lambda p: torch.optim.RMSprop(p), lambda p: torch.optim.RMSprop(p, centered=True)),
        (lambda p: torch.optim.SGD(p), lambda p: torch.optim.SGD(p, momentum=0.9)),
    ],
    ids=["amsgrad", "momentum", "centered", "sgd"],
)
def test_a_state_of_another_kind_is_not_carried(before, after):
    model = network()
    old = before(model.parameters())
    train(model, old, range(2))
    new = after(model.parameters())
    assert migrate(old, new, model).carried == []
    train(model, new, range(2))


def test_two_classes_get_one_sentence():
    model = network()
    with pytest.raises(InputError, match=r"^migrate\(Adam, Lion\): both must be of one class; .* start fresh\.$"):
        migrate(optim.adam()(model), optim.lion()(model), model)


def test_a_parameter_of_another_model_gets_one_sentence():
    model, other = network(), network()
    with pytest.raises(InputError, match=r"old_optimizer=.*shape \(6, 4\).*, as old_model=\.\.\.\.$"):
        migrate(optim.adam()(model), optim.adam()(other), other)
    with pytest.raises(InputError, match=r"new_optimizer=.*pass the model it was made for\.$"):
        migrate(optim.adam()(model), optim.adam()(other), model)
