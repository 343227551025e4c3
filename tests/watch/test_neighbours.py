"""The answer of the nearest examples, as a yardstick."""

import math

import pytest
import torch
import torch.nn.functional as F

from latih.watch._neighbours import neighbours_loss

GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(300, 2, generator=GENERATOR)


def test_values_that_follow_the_inputs_are_guessed_nearly():
    loss, error = neighbours_loss("mse", X, X[:, :1] + X[:, 1:])
    assert loss < 0.02 * float((X[:, :1] + X[:, 1:]).var())
    assert error < loss


def test_values_of_chance_cost_more_than_their_variance():
    noise = torch.randn(300, 1, generator=GENERATOR)
    loss, _ = neighbours_loss("mse", X, noise)
    assert loss == pytest.approx(1.2 * float(noise.var()), rel=0.15)  # a mean of five adds a fifth


def test_classes_are_guessed_by_their_share_among_the_five_and_one_vote_for_all():
    labels = (X[:, 0] > 0.5).long()
    loss, _ = neighbours_loss("cross_entropy", X, labels)
    assert -math.log(5.6 / 6) < loss < 0.2
    both, _ = neighbours_loss("bce_with_logits", X, labels.float())
    assert both == pytest.approx(loss, rel=1e-6)


def test_distances_bend_where_the_loss_does():
    values = 5 * X[:, :1].double()
    near, _ = neighbours_loss("huber", X, values, 0.01)
    far, _ = neighbours_loss("mae", X, values)
    assert near == pytest.approx(0.01 * (far - 0.005), rel=0.05)


@pytest.mark.parametrize(("kind", "count"), [("kl_div", 300), ("mse", 50)])
def test_nothing_is_said_of_other_losses_and_of_few_examples(kind, count):
    assert neighbours_loss(kind, X[:count], X[:count, :1]) is None


def test_examples_that_come_again_are_not_their_own_neighbours():
    twice = torch.cat([X, X])
    noise = torch.randn(300, 1, generator=GENERATOR)
    once, _ = neighbours_loss("mse", X, noise)
    again, _ = neighbours_loss("mse", twice, torch.cat([noise, noise]))
    assert again == pytest.approx(once)
    assert F.mse_loss(noise, noise.mean().expand_as(noise)) < once
