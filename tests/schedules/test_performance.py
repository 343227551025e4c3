import math
import random

import pytest
import torch

from latih.schedules import performance
from latih.schedules._remember import remember_last


def naive(scores, factor, patience, minimum, tolerance):
    rate, best, wait = 1.0, None, 0
    for value in scores:
        if best is None or value < best - tolerance * abs(best):
            best, wait = value, 0
        else:
            wait += 1
            if wait >= patience:
                rate, wait = max(rate * factor, minimum), 0
    return rate


def history(seed, length=80):
    draw = random.Random(seed)
    return [math.exp(-i / 15) + draw.uniform(0.0, 0.3) for i in range(length)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("settings", [(0.5, 5, 0.0, 1e-4), (0.1, 1, 0.01, 0.0), (0.7, 3, 0.2, 0.05)])
def test_equals_a_naive_replay_at_every_step(seed, settings):
    values = history(seed)
    schedule = performance(*settings)
    scores = [(10 * (i + 1), value) for i, value in enumerate(values)]
    for step in range(0, 10 * len(values) + 20, 7):
        seen = [value for at, value in scores if at <= step]
        assert schedule(step, scores) == pytest.approx(naive(seen, *settings), rel=1e-14)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("patience", [1, 2, 5])
def test_equals_torch_which_waits_one_check_longer(seed, patience):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, min_lr=0.01, threshold=1e-3, eps=0.0
    )
    schedule = performance(0.5, patience, minimum=0.01, tolerance=1e-3)
    scores = []
    for step, value in enumerate([*history(seed), math.nan, math.nan], start=1):
        torchs.step(value)
        scores.append((step, value))
        assert schedule(step, scores) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_a_list_that_grows_or_changes_is_replayed():
    schedule = performance(0.5, patience=1)
    scores = [(1, 1.0), (2, 2.0)]
    assert schedule(5, scores) == 0.5
    scores.append((3, 2.0))
    assert schedule(5, scores) == 0.25
    scores[1] = (2, 0.5)
    assert schedule(5, scores) == 0.5


def test_scores_are_replayed_once_per_history():
    calls = []
    remembered = remember_last(lambda scores, begin: calls.append(scores) or len(calls))
    scores = ((1, 1.0), (2, 2.0))
    assert [remembered(scores, 0), remembered(scores, 0), remembered(list(scores), 0)] == [1, 1, 1]
    assert remembered(scores, 5) == 2
    assert remembered((*scores, (3, 1.0)), 5) == 3


def test_nan_and_infinity_never_improve():
    schedule = performance(0.5, patience=2)
    assert schedule(9, [(1, math.nan), (2, math.nan)]) == 0.5
    assert schedule(9, [(1, math.inf), (2, math.inf)]) == 0.5
    assert schedule(9, [(1, -1.0), (2, -1.00001), (3, -0.9)]) == 0.5


def test_without_scores_it_stays_at_one():
    assert [performance()(step) for step in (0, 10, 10**6)] == [1.0, 1.0, 1.0]
