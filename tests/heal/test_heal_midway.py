"""A run that is lost on the way goes back, is healed and goes on."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import latih
from latih import Recipe
from latih.data import TensorExamples
from latih.heal._midway import DIVERGED, TRIES, watched_fit
from latih.train import Callback, Options, Parts


def blobs(count=320):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 2
    return torch.randn(count, 6, generator=generator) + 2.0 * y[:, None], y


class Lost:
    """A loss that is NaN at given calls in training, and then well again."""

    def __init__(self, *calls):
        self.calls, self.count = calls, 0

    def __call__(self, output, target):
        self.count += output.requires_grad
        loss = F.cross_entropy(output, target)
        return loss * math.nan if output.requires_grad and self.count in self.calls else loss


def parts(loss):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    return Parts(net, TensorExamples(*blobs()), TensorExamples(*blobs(64)), loss)


RECIPE = Recipe(epochs=6, batch_size=32, schedule="constant()", patience=0)


def test_a_lost_batch_costs_its_epoch_and_not_the_run():
    said = []
    run = watched_fit(parts(Lost(35)), RECIPE, Options(optimizer="sgd(lr=0.05)"), said.append)
    assert run.history.stopped is None
    assert [row["epoch"] for row in run.history.rows] == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(row["train_loss"]) for row in run.history.rows)
    assert run.history.rows[-1]["valid_accuracy"] > 0.9
    assert all(one.isfinite().all() for one in run.model.parameters())
    assert len(said) == 1
    assert "after epoch 3" in said[0]


def test_a_run_that_is_always_lost_is_given_up_after_a_few_tries():
    said = []
    run = watched_fit(parts(Lost(*range(25, 10_000))), RECIPE, Options(optimizer="sgd(lr=0.05)"), said.append)
    assert run.history.stopped == DIVERGED
    assert len(said) == TRIES


def test_a_run_that_is_well_is_left_alone():
    class Count(Callback):
        epochs = 0

        def on_epoch_end(self, trainer):
            self.epochs += 1

    counter, said = Count(), []
    plain = latih.train(parts(None).model, blobs(), blobs(64), recipe=RECIPE, optimizer="sgd(lr=0.05)", progress=False)
    run = watched_fit(
        parts(F.cross_entropy), RECIPE, Options(optimizer="sgd(lr=0.05)", callbacks=[counter]), said.append
    )
    assert (counter.epochs, said) == (6, [])
    assert all(torch.equal(one, two) for one, two in zip(run.model.parameters(), plain.model.parameters(), strict=True))


@pytest.mark.parametrize("lost", [True, False])
def test_training_with_heal_survives_a_lost_batch(lost, capsys):
    loss = Lost(250) if lost else F.cross_entropy
    long = replace(RECIPE, epochs=20)
    run = latih.train(
        parts(None).model, blobs(), blobs(64), loss=loss, recipe=long, optimizer="sgd(lr=0.05)", heal=True,
        progress=False,
    )  # fmt: skip
    assert run.history.stopped is None
    assert run.history.rows[-1]["valid_accuracy"] > 0.9
    assert ("went back" in capsys.readouterr().err) == lost
