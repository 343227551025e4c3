"""Samples are frequent at first, then as rare as their cost demands."""

import itertools

import pytest

from latih.watch import _pace


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(_pace.time, "perf_counter", lambda: self.now)


def taken(monkeypatch, every, step, cost, updates, alarms=()):
    clock, pace, found = Clock(monkeypatch), _pace.Pace(every), []
    pace.began(0)
    for update in range(updates):
        if update in alarms:
            pace.alarm(update)
        due = pace.due(update)
        clock.now += step + (cost if due else 0)
        if due:
            found.append(update)
            pace.taken(update, cost)
    return found


def test_a_given_rhythm_is_kept(monkeypatch):
    assert taken(monkeypatch, 7, 1.0, 100.0, 30, alarms=(10,)) == [0, 7, 14, 21, 28]


@pytest.mark.parametrize(("step", "cost"), [(3e-4, 3e-3), (3e-4, 1e-2), (0.1, 0.05), (0.05, 0.5)])
def test_in_the_long_run_samples_take_about_one_percent(monkeypatch, step, cost):
    found = [update for update in taken(monkeypatch, None, step, cost, 20_000) if update >= 4000]
    assert len(found) * cost <= 0.013 * 16_000 * step + cost
    assert len(found) >= 16_000 // _pace._LONGEST - 1


def test_the_first_updates_are_looked_at_whatever_it_costs(monkeypatch):
    assert taken(monkeypatch, None, 1e-3, 1.0, 11) == [0, 1, 2, 5, 10]


def test_cheap_samples_are_as_frequent_as_ever_useful(monkeypatch):
    found = taken(monkeypatch, None, 1.0, 1e-6, 200)
    assert max(later - earlier for earlier, later in itertools.pairwise(found)) == _pace._SHORTEST


def test_an_alarm_brings_a_few_samples_soon_and_not_for_ever(monkeypatch):
    calm = taken(monkeypatch, None, 1e-3, 1e-2, 5000)
    alarmed = taken(monkeypatch, None, 1e-3, 1e-2, 5000, alarms=range(2000, 5000))
    soon = [update for update in alarmed if 2000 <= update <= 3500]
    assert soon[0] <= 2002
    assert len(soon) > len([update for update in calm if 2000 <= update <= 3500])
    assert len(alarmed) < 3 * len(calm)


def rings(losses, norms):
    from latih.watch import Sample
    from latih.watch._alarm import Alarm

    alarm, seen, found = Alarm(), [], []
    for step, (part, norm) in enumerate(zip(losses, norms, strict=True)):
        seen = [*seen, *part]
        found.append(alarm.rings(Sample(step=step, grad_norm=norm), seen))
    return found


def test_an_alarm_rings_for_a_jump_a_rise_and_what_is_not_finite():
    falling = [[3.0] * 5, [2.0] * 5, [1.0] * 5, [1.1] * 5]
    assert rings(falling, [1.0, 1.2, 0.8, 2.0]) == [False] * 4
    assert rings(falling, [1.0, 1.2, 0.8, 50.0])[-1]
    assert rings([*falling[:3], [2.5] * 5], [1.0] * 4)[-1]
    assert rings([*falling[:3], [1.0] * 4 + [None]], [1.0] * 4)[-1]
    assert rings(falling, [1.0, 1.0, 1.0, None])[-1]
