"""What a healing is made of: the optimizer's plan, the purse, the race."""

import math

import pytest
import torch
from torch import nn

from latih._checks import InputError
from latih.heal import OptimizerPlan
from latih.heal._procedure import _race_cost
from latih.heal._race import Compared, Purse, compare, race
from latih.heal._trial import Quality


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def test_a_live_optimizer_is_made_again_with_its_groups_and_without_its_memory():
    model = net()
    live = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[3].parameters(), "lr": 0.01}], momentum=0.9
    )
    plan = OptimizerPlan.of(live, model)
    other = net()
    made = plan(other)
    assert type(made) is torch.optim.SGD
    assert [group["lr"] for group in made.param_groups] == [0.1, 0.01]
    assert [len(group["params"]) for group in made.param_groups] == [2, 2]
    assert made.param_groups[0]["params"][0] is other[0].weight
    assert not made.state
    assert plan.left_out == {"1.weight", "1.bias"}


def test_another_rate_keeps_the_proportions_and_parameters_can_be_taken_in():
    model = net()
    live = torch.optim.Adam(
        [{"params": model[0].parameters(), "lr": 0.1}, {"params": [model[3].weight], "lr": 0.02}], lr=1.0
    )
    plan = OptimizerPlan.of(live, model).with_lr(0.01).taking_in({"1.weight", "1.bias"})
    made = plan(model)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.01, 0.002])
    assert len(made.param_groups[0]["params"]) == 4
    assert all(one is not model[3].bias for group in made.param_groups for one in group["params"])


def test_names_that_a_cure_has_changed_are_followed_and_new_parameters_join_the_largest_group():
    model = net()
    live = torch.optim.SGD([{"params": model[0].parameters()}, {"params": model[3].parameters(), "lr": 0.5}], lr=0.1)
    plan = OptimizerPlan.of(live, model).renamed({"3.weight": "3.layer.weight", "3.bias": "3.layer.bias"})
    changed = net()
    changed[3] = nn.Sequential()
    changed[3].add_module("layer", nn.Linear(8, 2))
    changed.add_module("4", nn.Linear(2, 2))
    made = plan(changed)
    rates = {id(one): group["lr"] for group in made.param_groups for one in group["params"]}
    assert rates[id(changed[3].layer.weight)] == 0.5
    assert rates[id(changed[4].weight)] == 0.1


def test_notation_makes_an_optimizer_for_everything_that_may_learn():
    model = net()
    model[0].requires_grad_(False)
    plan = OptimizerPlan.of("adamw(lr=0.01, weight_decay=0.1)", model).with_weight_decay(0.0)
    made = plan(model)
    assert plan.weight_decay == 0.0
    held = {id(one) for group in made.param_groups for one in group["params"]}
    assert id(model[0].weight) not in held
    assert id(model[3].weight) in held


def test_an_optimizer_of_another_model_moves_nothing_until_parameters_are_taken_in():
    model = net()
    plan = OptimizerPlan.of(torch.optim.SGD(net().parameters(), lr=0.1, momentum=0.9), model)
    own = {id(one) for one in model.parameters()}
    assert not own & {id(one) for group in plan(model).param_groups for one in group["params"]}
    (group,) = plan.taking_in(name for name, _ in model.named_parameters())(model).param_groups
    assert {id(one) for one in group["params"]} == own
    assert (group["lr"], group["momentum"]) == (0.1, 0.9)
    model.requires_grad_(False)
    with pytest.raises(InputError, match="none of the parameters that it holds may learn"):
        OptimizerPlan.of(torch.optim.SGD(model.parameters(), lr=0.1), model)(model)


class Runner:
    """A trial whose quality after n examples is `rate` times n."""

    def __init__(self, rate, failed=""):
        self.rate, self.failed, self.examples, self.reached = rate, failed, 0, []

    def advance(self, examples):
        self.examples = examples
        noise = torch.linspace(-1, 1, 50, dtype=torch.float64)
        self.reached.append(Quality(examples, self.rate * examples + 0.01 * noise, None))

    def at(self, examples):
        return next((one for one in self.reached if one.examples >= examples), None) if not self.failed else None


def test_the_better_half_goes_on_and_the_winner_is_first():
    control, purse = Runner(0.0), Purse(10_000)
    for rung in (100, 200, 400):
        control.advance(rung)
    runners = [Runner(rate) for rate in (0.1, 0.4, 0.2, 0.3)]
    ranked = race(runners, control, (100, 200, 400), purse, 0)
    assert [one.rate for one in ranked] == [0.4, 0.3, 0.2, 0.1]
    assert [one.examples for one in ranked] == [400, 200, 100, 100]
    assert purse.spent == 4 * 100 + 2 * 100 + 200 == _race_cost(4, [100, 200, 400], 0)


def test_a_race_ends_where_the_purse_does():
    control, purse = Runner(0.0), Purse(450)
    for rung in (100, 200, 400):
        control.advance(rung)
    ranked = race([Runner(rate) for rate in (0.1, 0.2, 0.3)], control, (100, 200, 400), purse, 0)
    assert purse.spent <= 450
    assert ranked[0].rate == 0.3


def test_what_failed_is_worse_than_anything_and_what_beats_a_failed_control_helps():
    good, lost = Runner(0.1), Runner(0.1, failed="it raised")
    for one in (good, lost):
        one.advance(100)
    assert compare(lost, good, 100).better_by == -math.inf
    assert compare(good, lost, 100).helps()


@pytest.mark.parametrize(
    ("seen", "helps", "harms"),
    [
        (Compared(0.5, 5.0), True, False),
        (Compared(0.5, 2.0), False, False),  # may be chance
        (Compared(0.005, 9.0), False, False),  # sure, and too little to matter
        (Compared(-0.5, -5.0), False, True),
        (Compared(0.5, 5.0, -0.1, -3.0), False, True),  # the user's own metric has the last word
        (Compared(0.0, 0.0, 0.2, 4.0), True, False),
    ],
)
def test_what_helps_is_sure_and_matters(seen, helps, harms):
    assert (seen.helps(6), seen.harms) == (helps, harms)


class Signs(torch.optim.Optimizer):
    """Somebody's own method, which gives its rate no default."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for one in group["params"]:
                one.sub_(group["lr"] * one.grad.sign())


def test_an_optimizer_of_somebodys_own_that_needs_its_rate_is_made_again():
    model = torch.nn.Linear(3, 1)
    again = OptimizerPlan.of(Signs(model.parameters(), lr=0.25), model).with_lr(0.5)(model)
    assert isinstance(again, Signs)
    assert again.param_groups[0]["lr"] == 0.5


def test_the_best_of_many_must_be_better_by_more():
    seen = Compared(0.5, 2.6)
    assert [seen.helps(tried) for tried in (1, 2, 3, 6)] == [True, True, False, False]
