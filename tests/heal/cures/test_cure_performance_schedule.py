from signal_cases import blobs, case, chain, finding, training, variants

from latih._notation import build
from latih.heal.cures._performance_schedule import CURE


def schedules(**recipe):
    given = training(chain(), **recipe)
    return [one.recipe.schedule for one in variants(CURE, given, case(given, *blobs()), finding("L404"))]


def test_the_rate_is_halved_when_validation_stops_improving():
    assert schedules(epochs=20) == ["performance(patience=2)"]
    factor = build("schedules", "performance(patience=2)")
    assert factor(40, ((10, 1.0), (20, 1.1), (30, 1.1))) == 0.5
    assert schedules(epochs=400) == ["performance(patience=5)"]


def test_a_warm_up_stays_in_front():
    assert schedules(schedule="warmup(10) >> cosine()") == ["warmup(10) >> performance(patience=2)"]


def test_short_runs_and_schedules_that_watch_already_stay():
    assert schedules(epochs=3) == []
    assert schedules(schedule="performance()") == []
