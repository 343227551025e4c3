"""`latih.heal`: what is found, tried, proven and given back."""

import copy
import itertools
import json
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import latih
from latih import Recipe
from latih._checks import InputError
from latih.heal._standstill import _warms_up


def blobs(count=600, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 3
    centres = torch.randn(3, 10, generator=torch.Generator().manual_seed(9))
    return 2 * centres[targets] + torch.randn(count, 10, generator=generator), targets


def dense(*widths, activation=nn.ReLU, seed=0):
    torch.manual_seed(seed)
    layers = []
    for first, second in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(first, second), activation()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


RECIPE = Recipe(epochs=30, schedule="constant()")


def sick(**changes):
    """A stack of sigmoids whose first layers get no gradient."""
    return latih.heal(
        dense(10, *[24] * 10, 3, activation=nn.Sigmoid),
        blobs(),
        blobs(200, 1),
        recipe=RECIPE,
        optimizer="sgd(lr=0.05)",
        **changes,
    )


@pytest.fixture(scope="module")
def healed():
    return sick()


def test_a_healthy_training_comes_back_as_it_was():
    model = dense(10, 32, 3)
    before = copy.deepcopy(model.state_dict())
    healing = latih.heal(model, blobs(), blobs(200, 1), recipe=RECIPE, optimizer="adam(lr=0.003)")
    assert healing.verdict == "healthy"
    assert healing.edits == ()
    assert len(healing.trials) == 1
    assert all(torch.equal(one, before[name]) for name, one in healing.model.state_dict().items())
    assert healing.cost < 0.2


def test_a_stack_that_gets_no_gradient_is_healed_and_then_learns(healed):
    assert healed.verdict == "healed"
    assert "vanishing-gradient" in {one.name for one in healed.findings}
    assert "vanishing-gradient" not in {one.name for one in healed.after}
    assert healed.chosen.better_by > 0.05
    assert healed.chosen.errors > 3
    assert healed.cost <= 0.3
    model = copy.deepcopy(healed.model)
    run = latih.train(
        model,
        blobs(),
        blobs(200, 1),
        loss=healed.loss,
        recipe=healed.recipe,
        optimizer=healed.optimizer(model),
        progress=False,
    )
    assert run.history.rows[-1]["valid_accuracy"] > 0.9


def test_the_same_seed_heals_the_same_way(healed):
    again = sick()
    assert [one.text for one in again.edits] == [one.text for one in healed.edits]
    assert all(
        torch.equal(one, two) for one, two in zip(again.model.parameters(), healed.model.parameters(), strict=True)
    )


def test_nothing_of_the_callers_is_touched():
    model, loss = dense(10, *[24] * 8, 3, activation=nn.Sigmoid), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model[0].weight.grad = torch.ones_like(model[0].weight)
    weights, settings = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    torch.manual_seed(5)
    state = torch.get_rng_state()
    latih.heal(model, blobs(), blobs(200, 1), loss=loss, recipe=RECIPE, optimizer=optimizer)
    assert torch.equal(torch.get_rng_state(), state)
    assert optimizer.state_dict() == settings
    assert all(torch.equal(one, weights[name]) for name, one in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_raw_inputs_and_targets_stay_raw_outside_the_cured_model():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 6, generator=generator) * torch.tensor([1e3, 1.0, 1e-2, 1.0, 50.0, 1.0]) + 500
    y = (x[:, :1] - 500) * 3 + 20_000
    healing = latih.heal(dense(6, 32, 1), (x[:500], y[:500]), (x[500:], y[500:]), recipe=RECIPE, optimizer="adam()")
    assert healing.verdict == "healed"
    run = latih.train(
        healing.model, (x[:500], y[:500]), loss=healing.loss, recipe=healing.recipe, progress=False,
        optimizer=healing.optimizer(healing.model),
    )  # fmt: skip
    left = F.mse_loss(run.predict(x[500:]), y[500:]) / y[500:].var()
    assert float(left) < 0.1
    assert healing.predict(x[500:]).shape == (100, 1)


def test_what_it_says_fits_on_a_terminal_and_into_json(healed):
    text = str(healed)
    assert max(map(len, (line for line in text.splitlines() if "latih." not in line and "=" not in line))) <= 80
    for word in ("healed", "found", "changed", "tried", "cost", "in your own program"):
        assert word in text
    plain = json.loads(json.dumps(healed.to_dict(), allow_nan=False))
    assert plain["verdict"] == "healed"
    assert plain["edits"][0]["code"]
    assert plain["trials"][0]["better_by"] is None


def test_the_code_of_the_edits_can_be_run(healed):
    model = dense(10, *[24] * 10, 3, activation=nn.Sigmoid)
    x, y = blobs()
    space = {"torch": torch, "nn": nn, "F": F, "latih": latih, "model": model, "x": x, "y": y}
    space |= {"loss": F.cross_entropy}
    exec(healed.code, space)
    assert any(not isinstance(one, nn.Sigmoid | nn.Linear | nn.Sequential) for one in space["model"].modules())


def test_without_validation_data_a_fifth_is_held_out_and_said():
    healing = latih.heal(dense(10, 32, 3), blobs(), recipe=RECIPE, optimizer="adam(lr=0.003)")
    assert "120 of 600" in healing.notes[0]


def test_an_interruption_gives_back_what_was_proven_by_then():
    def stop(line):
        if line.startswith("racing"):
            raise KeyboardInterrupt

    healing = sick(progress=stop)
    assert healing.verdict == "not healed"
    assert "interrupted" in healing.notes[-1]
    assert healing.findings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(recipe=Recipe(epochs=1, batch_size=300)), "budget=0.25"),
        (dict(budget=0), "must lie between"),
        (dict(valid=blobs(6, 1)), "prove nothing"),
        (dict(metric=lambda output, target: 1 / 0), "metric=...): it fails"),
        (dict(loss="crossentropy"), "cross_entropy"),
        (dict(optimizer="adamm()"), "adam"),
    ],
)
def test_bad_input_gets_one_sentence(changes, said):
    asked = dict(valid=blobs(200, 1), recipe=RECIPE) | changes
    with pytest.raises(InputError) as caught:
        latih.heal(dense(10, 16, 3), blobs(), **asked)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_copied_and_data_that_stream_are_refused():
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo):
            raise TypeError("an open file")

    with pytest.raises(InputError, match="cannot be copied"):
        latih.heal(Stubborn(10, 3), blobs(), blobs(200, 1), recipe=RECIPE)
    with pytest.raises(InputError):
        latih.heal(dense(10, 16, 3), (pair for pair in [blobs()]), recipe=RECIPE)
    with pytest.raises(InputError):
        latih.heal(nn.ReLU(), blobs(), recipe=RECIPE)


def test_an_optimizer_that_was_made_for_another_copy_of_the_model_is_made_for_this_one():
    stranger = torch.optim.Adam(dense(10, 32, 3).parameters(), lr=0.003)
    healing = latih.heal(dense(10, 32, 3), blobs(), blobs(200, 1), recipe=RECIPE, optimizer=stranger)
    assert healing.findings.found[0].name == "unoptimised-parameters"
    assert [edit.cure for edit in healing.edits] == ["register"]
    group = healing.optimizer(healing.model).param_groups[0]
    assert (len(group["params"]), group["lr"]) == (4, 0.003)


def test_training_with_heal_trains_the_cured_program():
    model = dense(10, *[24] * 10, 3, activation=nn.Sigmoid)
    run = latih.train(model, blobs(), blobs(200, 1), recipe=RECIPE, optimizer="sgd(lr=0.05)", heal=True, progress=False)
    assert run.healing.verdict == "healed"
    assert run.history.rows[-1]["valid_accuracy"] > 0.9
    with pytest.raises(InputError, match="resume"):
        latih.train(model, blobs(), recipe=RECIPE, heal=True, resume=True, out="nowhere", progress=False)


@pytest.mark.parametrize(("schedule", "verdict"), [("one_cycle()", "healthy"), ("warmup(steps=10000)", "healed")])
def test_a_rate_that_warms_up_is_waited_for_and_one_that_never_arrives_is_not(schedule, verdict):
    recipe = Recipe(epochs=30, schedule=schedule)
    optimizer = "sgd(lr=0.02)" if verdict == "healthy" else "sgd(lr=0.002)"
    healing = latih.heal(dense(10, 32, 3), blobs(), blobs(200, 1), recipe=recipe, optimizer=optimizer)
    assert healing.verdict == verdict


@pytest.mark.parametrize(("updates", "waits"), [(1, True), (20, False), (40, False)])
def test_a_large_budget_may_look_beyond_the_end_of_the_schedule(updates, waits):
    recipe = Recipe(schedule="warmup(5)")
    control = SimpleNamespace(training=SimpleNamespace(recipe=recipe), planned=24, losses=[1.0] * updates)
    assert _warms_up(SimpleNamespace(control=control)) is waits
