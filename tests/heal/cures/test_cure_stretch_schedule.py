import pytest
from signal_cases import blobs, case, chain, finding, training, variants

import latih
from latih import Recipe
from latih.heal._planned import over, planned_end, planned_factors
from latih.heal.cures._stretch_schedule import CURE

SOON_OVER = "piecewise((5, 10, 15), (1.0, 0.1, 0.01, 1e-5))"


def made(schedule, **evidence):
    given = training(chain(), optimizer="adam(lr=0.001)", schedule=schedule)
    return variants(CURE, given, case(given, *blobs()), finding("L402", **evidence))


@pytest.mark.parametrize("schedule", ["warmup(100000)", SOON_OVER, "piecewise((1,), (0.003, 0.003))"])
def test_a_schedule_that_leaves_next_to_nothing_of_the_rate_lasts_as_long_as_the_run(schedule):
    assert [one.recipe.schedule for one in made(schedule)] == ["cosine()", "constant()"]


@pytest.mark.parametrize("schedule", ["one_cycle()", "cosine()", "constant()", "warmup(5) >> cosine()"])
def test_a_usual_schedule_stays(schedule):
    assert made(schedule) == []
    assert planned_end(schedule, 500) is None


def test_what_a_run_has_shown_is_believed():
    assert [one.recipe.schedule for one in made("cosine()", **{"since update": 30})] == ["constant()"]


def test_where_a_rate_is_over_is_read_from_the_plan():
    assert over(SOON_OVER, 1000) == 20
    assert over("cosine()", 1000) is None
    assert max(planned_factors("warmup(2000)", 1000)) == pytest.approx(0.5, abs=0.01)
    said = planned_end(SOON_OVER, 1000)
    assert said.name == "learning-rate-too-low"
    assert said.evidence["since update"] == 20


def test_a_schedule_stepped_too_often_is_found_before_it_has_done_harm():
    x, y = blobs(600)
    recipe = Recipe(epochs=20, schedule="piecewise((30, 60, 90), (1.0, 0.1, 0.01, 1e-5))")
    healing = latih.heal(chain(depth=2), (x, y), recipe=recipe, optimizer="adam(lr=0.003)")
    assert healing.findings.found[0].name == "learning-rate-too-low"
    assert healing.edits[0].recipe == {"schedule": "cosine()"}
