import pytest
from signal_cases import blobs, case, chain, finding, training, variants

from latih.heal.cures._batch_size import CURE
from latih.watch import Record


def made_of(code="L404", optimizer="sgd(lr=0.1)", count=1600, updates=None, examples=None, **recipe):
    given = training(chain(), optimizer=optimizer, **recipe)
    size, epochs = given.recipe.batch_size, given.recipe.epochs
    seen = case(
        given,
        *blobs(count),
        updates=count // size * epochs if updates is None else updates,
        record=Record(examples=examples),
    )
    return variants(CURE, given, seen, finding(code))


def sizes(made):
    return [(one.recipe.batch_size, one.optimizer.lr) for one in made]


def test_four_times_the_batch_first_at_the_same_rate_then_in_proportion():
    assert sizes(made_of()) == [(128, 0.1), (128, 0.4)]


def test_adaptive_rates_grow_by_the_root():
    assert sizes(made_of(optimizer="adam(lr=0.001)")) == [(128, 0.001), (128, 0.002)]


def test_batch_norm_wants_sixteen_and_gets_the_scaled_rate_first():
    assert sizes(made_of("L109", batch_size=2)) == [(16, pytest.approx(0.8)), (16, 0.1)]


def test_parts_of_a_batch_go_first_where_each_has_statistics_of_its_own():
    first, *others = made_of("L109", batch_size=32, accumulate=8)
    assert (first.recipe.accumulate, first.recipe.batch_size) == (1, 32)
    assert len(others) == 2


def test_at_least_eight_batches_and_fifty_updates_are_left():
    assert sizes(made_of(examples=400)) == [(50, 0.1), (50, 0.16)]
    assert sizes(made_of(updates=100, examples=1600)) == [(64, 0.1), (64, 0.2)]
    assert made_of(updates=60, examples=1600) == []
    assert made_of(examples=320) == []


def test_the_recipe_s_own_rate_is_the_one_that_grows():
    first, second = made_of(lr=0.01)
    assert (first.recipe.lr, second.recipe.lr) == (0.01, 0.04)
    assert second.recipe.batch_size == 128
