"""Of several ways to remove a contradiction, the one that does best is taken."""

from types import SimpleNamespace

import pytest
import torch
from test_heal_parts import Runner
from test_heal_verb import blobs, dense
from torch import nn

import latih
from latih import Recipe
from latih.heal._candidates import Candidate, Dose
from latih.heal._corrections import _best
from latih.heal._race import Purse
from latih.heal.cures import CURES

RECIPE = Recipe(epochs=30, schedule="constant()")


def healed(model, loss, optimizer="adam(lr=0.003)", **options):
    return latih.heal(model, blobs(), blobs(200, 1), loss=loss, recipe=RECIPE, optimizer=optimizer, **options)


def test_each_other_way_differs_in_one_of_the_corrections():
    doses = tuple(Dose(CURES[name], None) for name in ("match_loss", "class_weights"))
    ways = [[dose.variant for dose in way.doses] for way in Candidate(doses).otherwise()]
    assert ways == [[1, 0], [2, 0], [0, 1], [0, 2]]


def test_the_first_way_is_taken_where_others_are_as_good():
    healing = healed(nn.Sequential(*dense(10, 32, 3), nn.Softmax(1)), nn.CrossEntropyLoss())
    assert [edit.cure for edit in healing.edits] == ["match_loss"]
    assert "is removed" in healing.edits[0].text
    assert sum(bool(one.edits) for one in healing.trials) == 2


@pytest.mark.parametrize(("rates", "taken"), [((0.1, 0.9, 0.5), 1), ((0.5, 0.5, 0.2), 0), ((0.1, 0.2, 0.9), 2)])
def test_a_way_that_is_surely_better_is_taken_instead(rates, taken):
    trials = [Runner(rate) for rate in rates]
    course = SimpleNamespace(rungs=[10, 20, 40], purse=Purse(1000.0), control=Runner(0.3), held_out=0)
    for examples in course.rungs:
        course.control.advance(examples)
    assert _best(course, trials) is trials[taken]
    assert max(one.examples for one in trials) == 20


def test_a_correction_that_does_harm_by_both_measures_is_taken_back(monkeypatch):
    from latih.heal.cures import _match_loss

    negated = _match_loss._negated
    monkeypatch.setattr(_match_loss, "_variants", lambda training, case, finding, now: negated(training))

    def accuracy(output, target):
        return float((output.argmax(1) == target).double().mean())

    healing = healed(nn.Sequential(*dense(10, 32, 3), nn.Softmax(1)), nn.CrossEntropyLoss(), metric=accuracy)
    assert not [edit for edit in healing.edits if edit.cure == "match_loss"]
    assert torch.isfinite(healing.predict(blobs()[0])).all()
