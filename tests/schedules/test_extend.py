import pytest
from hypothesis import given
from hypothesis import strategies as st

from latih._checks import InputError
from latih._notation import build, names
from latih.schedules import constant, cosine, exponential, linear, one_cycle, performance, power, warmup

SCORES = tuple((step, 1.0 + step % 3) for step in range(0, 400, 5))
every = pytest.mark.parametrize("name", names("schedules"))
policies = pytest.mark.parametrize("policy", ["stretch", "hold", "restart"])


def trace(schedule, steps, scores=SCORES):
    return [schedule(step, tuple(s for s in scores if s[0] <= step)) for step in range(steps)]


@every
def test_hold_and_restart_keep_the_updates_already_made(name):
    schedule = build("schedules", name)
    before = trace(schedule.over(100), 100)
    for policy in ("hold", "restart"):
        extended = schedule.extended(100, 250, policy)
        assert extended.steps == 250
        assert trace(extended, 100) == before
        assert [extended.momentum_at(step) for step in range(100)] == [
            schedule.over(100).momentum_at(step) for step in range(100)
        ]


@every
def test_hold_keeps_the_last_rate_whatever_happens(name):
    schedule = build("schedules", name)
    last = schedule.over(100)(99, SCORES)
    extended = schedule.extended(100, 250, "hold")
    assert set(trace(extended, 400)[100:]) == {last}
    assert {extended.momentum_at(step) for step in range(99, 300)} == {schedule.over(100).momentum_at(99)}


@every
def test_restart_begins_again_and_sees_only_the_scores_since(name):
    schedule = build("schedules", name)
    since = tuple((step - 100, value) for step, value in SCORES if step > 100)
    assert trace(schedule.extended(100, 250, "restart"), 400)[100:] == trace(schedule.over(150), 300, since)


def test_stretch_is_the_schedule_that_was_planned_for_the_longer_run():
    for schedule in (
        cosine(),
        warmup(20) >> linear(),
        one_cycle(),
        power(30),
        exponential(9),
        constant(),
        performance(),
    ):
        extended, planned = schedule.extended(100, 250, "stretch"), schedule.over(250)
        assert trace(extended, 400) == trace(planned, 400)
        assert [extended.momentum_at(step) for step in range(400)] == [planned.momentum_at(step) for step in range(400)]


def test_stretch_of_what_has_no_end_changes_nothing():
    assert trace(power(30).extended(100, 250, "stretch"), 400) == trace(power(30), 400)


@pytest.mark.parametrize("schedule", [cosine(100), warmup(10) >> linear(90), cosine().over(100), warmup(20)])
def test_a_fixed_end_cannot_be_stretched(schedule):
    with pytest.raises(InputError, match=r"ends after \d+ updates whatever the run's length.*'hold' or 'restart'\.$"):
        schedule.extended(100, 250, "stretch")


def test_a_piece_that_outlasts_the_longer_run_simply_goes_on():
    assert trace(cosine(300).extended(100, 250, "stretch"), 250) == trace(cosine(300), 250)


def test_a_run_can_be_extended_again():
    twice = linear().extended(4, 8, "restart").extended(8, 12, "hold")
    assert trace(twice, 14) == [1.0, 0.75, 0.5, 0.25, 1.0, 0.75, 0.5, 0.25, *[0.25] * 6]


def test_an_extended_schedule_can_be_chained():
    assert trace(linear().extended(2, 4, "hold") >> constant(factor=0.1), 6) == [1.0, 0.5, 0.5, 0.5, 0.1, 0.1]


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["hold", "restart"]))
def test_extending_is_pure(old, more, policy):
    schedule = (warmup(5) >> one_cycle()).extended(old, old + more, policy)
    forward = [schedule(step) for step in range(old + more)]
    assert [schedule(step) for step in reversed(range(old + more))] == forward[::-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, 10), r"^extended\(old_steps=0\): old_steps must be a whole number"),
        ((10, 1.5), r"^extended\(new_steps=1\.5\)"),
        ((10, 10), r"^extended\(old_steps=10, new_steps=10\): new_steps must be above old_steps"),
        ((10, 20, "strech"), r"^extended\(policy='strech'\): .* did you mean 'stretch'\?$"),
    ],
)
def test_bad_extensions_get_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        cosine().extended(*arguments)
