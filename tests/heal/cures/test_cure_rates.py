"""lower_lr, raise_lr and the rates that they share."""

import math
from itertools import pairwise

import pytest
import torch
from signal_cases import blobs, case, chain, finding, learned, training, variants
from torch import nn

from latih.heal.cures._change_optimizer import CURE as CHANGE
from latih.heal.cures._lower_lr import CURE as LOWER
from latih.heal.cures._raise_lr import CURE as RAISE
from latih.heal.cures._rates import suggested_rates
from latih.watch import Optimizer, Reading, Record, Sample


def record(name, lr, *changes, rates=()):
    samples = [
        Sample(step=step, readings=[Reading(layer="0", weight_change=change)]) for step, change in enumerate(changes)
    ]
    return Record(optimizer=Optimizer(name=name, lr=lr), samples=samples, rates=list(rates))


def rates_of(made):
    return [one.optimizer.lr for one in made]


def seen(given, record=None):
    return case(given, *blobs(), record=record)


def test_the_first_rate_moves_the_weights_by_a_thousandth():
    given = training(chain(), optimizer="adam(lr=0.1)")
    made = variants(LOWER, given, seen(given, record("adam", 0.1, 0.5, 0.5, 0.4)), finding("L401"))
    assert rates_of(made) == [0.0002, 0.002, 0.01]
    low = training(chain(), optimizer="adam(lr=1e-06)")
    made = variants(RAISE, low, seen(low, record("adam", 1e-6, 1e-5, 1e-5)), finding("L402"))
    assert rates_of(made)[0] == pytest.approx(1e-4)


def test_later_updates_and_warm_up_do_not_mislead():
    given = training(chain(), optimizer="sgd(lr=1.0)")
    samples = record("sgd", 1.0, 0.02, 0.04, rates=[(0, 0.1), (1, 0.2)])
    samples.samples.append(Sample(step=500, readings=[Reading(layer="0", weight_change=1e-9)]))
    assert suggested_rates(given, seen(given, samples))[0] == pytest.approx(0.005)


def test_without_a_record_or_with_one_of_another_method_the_ladder_is_left():
    given = training(chain(), optimizer="adam(lr=0.1)")
    for one in (Record(), record("sgd", 0.1, 0.5)):
        assert rates_of(variants(LOWER, given, seen(given, one), finding("L401"))) == [0.01, 0.033, 0.001]
    assert rates_of(variants(RAISE, given, seen(given, Record()), finding("L402"))) == [1.0, 10.0, 0.3]


def test_momentum_in_notation_is_known_by_its_class():
    given = training(chain(), optimizer="momentum(lr=0.1)")
    assert suggested_rates(given, case(given, *blobs()))[0] != 0.01
    plain = training(chain(), optimizer="sgd(lr=0.1)")
    record_of_plain = case(plain, *blobs()).findings.record
    moved = next(iter(CHANGE.apply(training(chain(), optimizer="adagrad()"), seen(given), finding("L409"))))
    assert suggested_rates(moved, seen(moved, record_of_plain))[0] == pytest.approx(1e-4)


def test_no_two_rates_are_nearly_the_same_and_none_is_on_the_wrong_side():
    given = training(chain(), optimizer="adam(lr=0.1)")
    rates = suggested_rates(given, seen(given, record("adam", 0.1, 0.12)))
    logs = sorted(map(math.log, rates))
    assert min(b - a for a, b in pairwise(logs)) >= math.log(3) - 1e-9
    assert all(rate < 0.1 for rate in rates_of(variants(LOWER, given, seen(given), finding("L401"))))
    assert all(rate > 0.1 for rate in rates_of(variants(RAISE, given, seen(given), finding("L402"))))


def test_the_recipe_says_what_the_optimizer_does():
    given = training(chain(), optimizer="adam(lr=0.1)")
    made = variants(LOWER, given, seen(given), finding("L401"))[0]
    assert made.recipe.optimizer == made.optimizer.text
    assert made.recipe.lr is None
    over = training(chain(), optimizer="adam(lr=0.001)", lr=0.1)
    made = variants(LOWER, over, seen(over, Record()), finding("L401"))[0]
    assert (made.recipe.lr, made.optimizer.lr) == (0.01, 0.01)


def test_groups_of_a_live_optimizer_keep_their_proportion():
    net = chain()
    live = torch.optim.SGD([{"params": net[:8].parameters(), "lr": 1.0}, {"params": net[8:].parameters(), "lr": 0.1}])
    given = training(net, optimizer=live)
    made = variants(LOWER, given, seen(given, Record()), finding("L401"))[0]
    assert [group["lr"] for group in made.optimizer(made.model).param_groups] == pytest.approx([0.1, 0.01])
    assert "optimizer" not in made.edits[0].recipe
    again = torch.optim.SGD([{"params": net[:8].parameters(), "lr": 1.0}, {"params": net[8:].parameters(), "lr": 0.1}])
    exec(made.edits[0].code, {"optimizer": again})
    assert [group["lr"] for group in again.param_groups] == pytest.approx([0.1, 0.01])


def test_a_rate_of_zero_becomes_a_usual_one():
    net = chain()
    given = training(net, optimizer=torch.optim.SGD(net.parameters(), lr=0.0))
    assert rates_of(variants(RAISE, given, seen(given, Record()), finding("L402"))) == [1e-3, 1e-2, 1e-4]
    assert variants(LOWER, given, seen(given, Record()), finding("L401")) == []


def test_a_training_that_jumps_about_learns_at_the_lower_rate():
    data = blobs()
    given = training(chain(activation=nn.ReLU, depth=2), optimizer="adam(lr=3.0)")
    made = variants(LOWER, given, case(given, *data), finding("L401"))
    assert min(learned(one, *data, updates=100) for one in made) < 0.5 * learned(given, *data, updates=100)


def test_a_training_that_creeps_learns_at_the_higher_rate():
    data = blobs()
    given = training(chain(activation=nn.ReLU, depth=2), optimizer="adam(lr=1e-06)")
    made = variants(RAISE, given, case(given, *data), finding("L402"))
    assert min(learned(one, *data, updates=100) for one in made) < 0.6 * learned(given, *data, updates=100)


def test_a_rate_is_what_the_schedule_makes_of_it():
    given = training(chain(), optimizer="adam(lr=0.1)", schedule="piecewise((1,), (0.01, 0.01))")
    samples = record("adam", 0.1, 1e-4, 1e-4, rates=[(0, 0.001)])
    assert suggested_rates(given, seen(given, samples))[0] == pytest.approx(1.0)
