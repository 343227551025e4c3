"""What every optimizer of the family holds, by enumeration."""

import copy
import inspect
import io
import math

import pytest
import torch
from torch import nn

import latih.optim
from latih._checks import InputError
from latih._notation import build, names
from latih.optim import OptimizerSpec

NAMES = names("optim")
every = pytest.mark.parametrize("name", NAMES)


def make(name, **settings):
    return getattr(latih.optim, name)(**settings)


def network(dtype=torch.float32):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).to(dtype)


def backward(model, seed=2):
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed)).to(next(model.parameters()).dtype)
    model.zero_grad()
    model(x).square().mean().backward()


def steps(model, optimizer, seeds):
    for seed in seeds:
        backward(model, seed)
        optimizer.step()


def weights(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@every
def test_every_argument_has_a_default_and_the_docstring_says_what_it_does(name):
    method = getattr(latih.optim, name)
    parameters = inspect.signature(method).parameters
    assert all(p.default is not p.empty for p in parameters.values())
    assert {"lr", "weight_decay"} <= set(parameters)
    text = inspect.getdoc(method)
    assert text.splitlines()[0].endswith(".")
    assert all(word in text for word in (">>>", "When:", "It hurts", "Source:", "Raises `InputError`"))
    assert f"`{name}`" in latih.optim.__doc__


@every
def test_the_text_of_a_spec_makes_the_same_spec(name):
    assert make(name).text == f"{name}(lr={make(name).lr})"
    spec = make(name, lr=0.05, weight_decay=0.3)
    assert build("optim", spec.text) == spec
    assert spec.text == f"{name}(lr=0.05, weight_decay=0.3)"
    changed = make(name).with_(lr=0.05, weight_decay=0.3)
    assert isinstance(changed, OptimizerSpec)
    assert changed == spec
    assert make(name).with_() == make(name)


@every
def test_never_writes_the_gradient(name):
    model = network()
    optimizer = make(name, weight_decay=0.1)(model)
    for seed in range(3):
        backward(model, seed)
        before = [parameter.grad.clone() for parameter in model.parameters()]
        optimizer.step()
        assert same(before, [parameter.grad for parameter in model.parameters()])


@every
def test_a_saved_state_continues_bit_equal(name):
    model = network()
    optimizer = make(name, weight_decay=0.1)(model)
    steps(model, optimizer, range(5))
    optimizer.param_groups[0]["lr"] *= 0.5
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)

    other = copy.deepcopy(model)
    resumed = make(name, weight_decay=0.1)(other)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    steps(model, optimizer, range(5, 12))
    steps(other, resumed, range(5, 12))
    assert same(weights(model), weights(other))


@every
def test_a_deep_copy_continues_bit_equal_and_apart(name):
    model = network()
    optimizer = make(name)(model)
    steps(model, optimizer, range(3))
    other, twin = copy.deepcopy((model, optimizer))
    steps(other, twin, range(3, 6))
    assert not same(weights(model), weights(other))
    steps(model, optimizer, range(3, 6))
    assert same(weights(model), weights(other))


@every
def test_a_rate_set_in_the_groups_takes_effect(name):
    model, other = network(), network()
    optimizer, reference = make(name, lr=0.1, weight_decay=0.1)(model), make(name, lr=0.003, weight_decay=0.1)(other)
    for group in optimizer.param_groups:
        group["lr"] = 0.003
    steps(model, optimizer, range(4))
    steps(other, reference, range(4))
    assert same(weights(model), weights(other))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = weights(model)
    steps(model, optimizer, range(2))
    # the published momentum holds old rates: its speed runs out by and by
    assert same(before, weights(model)) == (name != "nesterov")


@every
def test_torch_schedulers_accept_it(name):
    optimizer = make(name, lr=0.1)(network())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert {group["lr"] for group in optimizer.param_groups} == {0.05}


@every
def test_bare_parameters_train_as_the_model_does_without_decay(name):
    model, other = network(), network()
    spec = make(name, weight_decay=0.0)
    steps(model, spec(model), range(4))
    steps(other, spec(other.parameters()), range(4))
    assert same(weights(model), weights(other))


@every
def test_a_closure_is_called_with_gradients_on_and_its_loss_comes_back(name):
    model = network()
    optimizer = make(name)(model)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(8, 4)).square().mean()
        loss.backward()
        return loss

    before = weights(model)
    assert optimizer.step(closure).item() > 0
    assert not same(before, weights(model))
    assert optimizer.step() is None


@every
def test_parameters_without_a_gradient_stay(name):
    model = network()
    optimizer = make(name, weight_decay=0.1)(model)
    backward(model)
    model[0].weight.grad = None
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert torch.equal(before, model[0].weight)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@every
def test_a_group_can_be_added_later(name):
    model, head = network(), nn.Linear(3, 3)
    optimizer = make(name)(model)
    optimizer.add_param_group({"params": list(head.parameters()), "lr": 0.5})
    before = weights(head)
    head(model(torch.ones(8, 4))).square().mean().backward()
    optimizer.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, head.parameters(), strict=True))
    assert optimizer.param_groups[-1]["lr"] == 0.5


@every
def test_it_lowers_the_loss(name):
    model, x = network(), torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    optimizer = make(name, lr=0.01)(model)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (model(x) - x[:, :3]).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@every
@pytest.mark.parametrize("lr", [0, -0.1, math.nan, math.inf, "0.1", None, True], ids=repr)
def test_a_rate_must_be_a_number_above_zero(name, lr):
    with pytest.raises(InputError, match=rf"^{name}\(lr=.*\): lr must be a number above 0"):
        make(name, lr=lr)


@every
def test_a_decay_must_not_be_negative(name):
    with pytest.raises(InputError, match=rf"^{name}\(weight_decay=-0.1\): weight_decay must be at least 0"):
        make(name, weight_decay=-0.1)
    with pytest.raises(InputError, match=rf"^{name}\(weight_decay=inf\)"):
        make(name, weight_decay=math.inf)


AVERAGES = [
    (name, argument)
    for name in NAMES
    for argument in ("momentum", "rho", "betas")
    if argument in inspect.signature(getattr(latih.optim, name)).parameters
]


@pytest.mark.parametrize(("name", "argument"), AVERAGES)
@pytest.mark.parametrize("value", [1.0, -0.1, 1.5, math.nan, "0.9", None], ids=repr)
def test_averages_must_forget(name, argument, value):
    values = [value] if argument != "betas" else [value, (value, 0.9), (0.9, value), (0.9,)]
    for wrong in values:
        with pytest.raises(InputError, match=rf"^{name}\({argument}=.*\): {argument} must be .*; .*\.$"):
            make(name, **{argument: wrong})


@pytest.mark.parametrize("name", [n for n in NAMES if "eps" in inspect.signature(getattr(latih.optim, n)).parameters])
def test_epsilon_must_not_be_negative(name):
    with pytest.raises(InputError, match=rf"^{name}\(eps=-1.0\)"):
        make(name, eps=-1.0)


def test_adagrad_cannot_start_below_zero():
    with pytest.raises(InputError, match=r"^adagrad\(accumulator=-1\)"):
        make("adagrad", accumulator=-1)


@pytest.mark.parametrize("name", ["nag", "nesterov"])
def test_a_look_ahead_without_momentum_points_to_sgd(name):
    with pytest.raises(InputError, match=rf"^{name}\(momentum=0\).*use sgd\(\)"):
        make(name, momentum=0)


@pytest.mark.parametrize(
    ("name", "setting"), [("schedule_free_sgd", {"momentum": 0}), ("schedule_free_adamw", {"betas": (0, 0.9)})]
)
def test_schedule_free_needs_a_momentum(name, setting):
    with pytest.raises(InputError, match=rf"^{name}\((momentum|betas)=0\): .* must be above 0"):
        make(name, **setting)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_inside_is_a_choice_of_two(value):
    with pytest.raises(InputError, match=r"^rmsprop\(inside=.*\): inside must be True or False"):
        make("rmsprop", inside=value)


@every
def test_groups_as_they_were_made_are_taken(name):
    model = network()
    made = latih.optim.groups(model, lr=0.02, weight_decay=0.1, layer_decay=0.5)
    optimizer = make(name)(made)
    held = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for group in made:
        for parameter in group["params"]:
            ours = held.pop(id(parameter))
            assert (ours["lr"], ours["weight_decay"], ours["role"]) == (
                group["lr"],
                group["weight_decay"],
                group["role"],
            )
    assert not held
    steps(model, optimizer, range(2))
    assert latih.optim.table(optimizer).count("\n") == len(optimizer.param_groups) + 1


@every
def test_state_is_carried_bit_equal_into_other_groups(name):
    model = network()
    optimizer = make(name, lr=0.01, weight_decay=0.0)(model)
    steps(model, optimizer, range(4))
    other = copy.deepcopy(model)
    alone = [
        {"params": [p], **({"hidden": p is other[2].weight} if name == "muon" else {})} for p in other.parameters()
    ]
    regrouped = make(name, lr=0.01, weight_decay=0.0)(alone)
    migration = latih.optim.migrate(optimizer, regrouped, other, old_model=model)
    assert (len(migration.carried), migration.dropped) == (0 if name == "sgd" else 8, [])
    steps(model, optimizer, range(4, 9))
    steps(other, regrouped, range(4, 9))
    assert same(weights(model), weights(other))


@every
def test_only_what_trains_at_another_point_can_be_switched(name):
    optimizer = make(name)(network())
    switching = isinstance(optimizer, latih.optim.Switching)
    assert switching == (name in ("nesterov", "schedule_free_sgd", "schedule_free_adamw"))
    assert (
        switching == (getattr(optimizer, "eval", None) is not None) == (getattr(optimizer, "train", None) is not None)
    )


@every
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ([], "there are no parameters to train"),
        (iter([]), "there are no parameters to train"),
        (torch.zeros(3, requires_grad=True), r"\(Tensor\): expected a model or a list"),
        (None, r"\(NoneType\): expected a model or a list"),
        ([("weight", torch.zeros(3))], r"\(\[tuple, \.\.\.\]\): every entry must be a tensor"),
    ],
    ids=["empty", "read generator", "tensor", "none", "named"],
)
def test_a_wrong_target_gets_one_sentence(name, target, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        make(name)(target)
    assert str(caught.value).startswith(f"{name}()(")
    assert str(caught.value).endswith("pass the model, or list(model.parameters()).")


@every
def test_a_model_without_trainable_parameters_gets_one_sentence(name):
    for model in (nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)):
        with pytest.raises(InputError, match=r"no trainable parameter; unfreeze a layer"):
            make(name)(model)
