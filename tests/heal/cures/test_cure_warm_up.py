import pytest
from signal_cases import blobs, case, chain, finding, training, variants

from latih._notation import build
from latih.heal.cures._warm_up import CURE


def schedules(given, found, updates=200):
    return [one.recipe.schedule for one in variants(CURE, given, case(given, *blobs(), updates=updates), found)]


def test_the_rate_grows_over_the_first_tenth_and_then_follows_the_old_schedule():
    given = training(chain(), schedule="cosine()")
    assert schedules(given, finding("L305")) == ["warmup(20) >> cosine()"]
    factor = build("schedules", "warmup(20) >> cosine()").over(200)
    assert (factor(0), factor(19)) == (0.05, 1.0)
    assert schedules(given, finding("L305"), updates=4000) == ["warmup(200) >> cosine()"]


def test_a_lower_rate_goes_with_it_where_the_finding_asks():
    given = training(chain(), optimizer="adam(lr=1.0)")
    seen = case(given, *blobs())
    rates = {}
    for code in ("L401", "L305"):
        made = variants(CURE, given, seen, finding(code, cures=("lower_lr", "warm_up")))
        rates[code] = [one.optimizer.lr for one in made]
    assert rates["L401"][0] < rates["L401"][1] == 1.0
    assert rates["L305"] == rates["L401"][::-1]
    assert len(variants(CURE, given, seen, finding("L401", cures=("warm_up",)))) == 1


@pytest.mark.parametrize("schedule", ["warmup(5) >> cosine()", "one_cycle()"])
def test_a_schedule_that_warms_up_already_stays(schedule):
    assert schedules(training(chain(), schedule=schedule), finding("L305")) == []


def test_a_run_of_a_few_updates_is_too_short():
    assert schedules(training(chain()), finding("L305"), updates=12) == []
