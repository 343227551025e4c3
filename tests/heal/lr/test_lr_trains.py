"""Suggested rates are trained with: they must beat rates far from them, on every problem and for every method."""

import pytest
from lr_problems import PROBLEMS, accuracy, digits, held_out, mlp, trained

from latih import find_lr
from latih._notation import names


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("optimizer", ["sgd()", "adam()"])
def test_the_rate_found_trains_better_than_one_far_below_and_one_far_above(problem, optimizer):
    make, data = PROBLEMS[problem]
    train, test = data()
    finding = find_lr(make(), train, optimizer=optimizer)
    assert finding.lr is not None, finding.stopped
    found, below, above = (
        held_out(trained(make, train, optimizer, finding.lr * times), test) for times in (1, 0.1, 30)
    )
    assert found < below, (finding.lr, found, below)
    assert found < above, (finding.lr, found, above)


@pytest.mark.parametrize("optimizer", ["sgd()", "nag()", "rmsprop()"])
def test_digits_are_learnt_in_a_few_epochs_at_the_rate_found(optimizer):
    train, test = digits()
    finding = find_lr(mlp(), train, optimizer=optimizer)
    model = trained(mlp, train, optimizer, finding.lr)
    assert accuracy(model, test) > (0.85 if optimizer == "sgd()" else 0.9)


def test_methods_get_rates_of_their_own():
    train, _ = digits()
    sgd, momentum, adam = (find_lr(mlp(), train, optimizer=one).lr for one in ("sgd()", "momentum()", "adam()"))
    assert sgd > 4 * adam
    assert sgd > 1.5 * momentum


@pytest.mark.slow
@pytest.mark.parametrize("name", names("optim"))
def test_every_method_learns_digits_at_the_rate_found(name):
    train, test = digits()
    finding = find_lr(mlp(), train, optimizer=name)
    assert finding.lr is not None, finding.stopped
    assert accuracy(trained(mlp, train, name, finding.lr), test) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd()", "adam()"])
def test_the_rate_hardly_depends_on_the_seed(optimizer):
    train, test = digits()
    rates = [find_lr(mlp(), train, optimizer=optimizer, seed=seed).lr for seed in range(8)]
    assert max(rates) < 8 * min(rates)
    for rate in (min(rates), max(rates)):
        assert accuracy(trained(mlp, train, optimizer, rate), test) > 0.85
