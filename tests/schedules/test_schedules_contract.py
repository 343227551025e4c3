"""What every schedule of the family holds, by enumeration."""

import ast
import inspect
import math
import random
from pathlib import Path

import numpy as np
import pytest

import latih.schedules
from latih._checks import InputError
from latih._notation import build, names
from latih.schedules import Schedule

NAMES = names("schedules")
every = pytest.mark.parametrize("name", NAMES)
SCORES = tuple((step, 1.0 / (1 + step % 50)) for step in range(0, 3000, 20))


@every
def test_every_schedule_builds_from_its_bare_name(name):
    schedule = build("schedules", name).over(1000)
    assert isinstance(schedule, Schedule)
    assert isinstance(schedule(0), float)


@every
def test_every_argument_has_a_default_and_the_docstring_says_what_it_does(name):
    method = getattr(latih.schedules, name)
    assert all(p.default is not p.empty for p in inspect.signature(method).parameters.values())
    first, *rest = inspect.getdoc(method).splitlines()
    assert first.endswith(".")
    assert ">>>" in "\n".join(rest)
    assert f"`{name}`" in latih.schedules.__doc__


@every
def test_every_schedule_stays_finite_and_not_negative(name):
    schedule = build("schedules", name).over(1000)
    values = [schedule(step, SCORES) for step in range(3001)]
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in values)


@every
def test_every_schedule_that_ends_keeps_its_last_value(name):
    schedule = build("schedules", name).over(100)
    if schedule.steps:
        assert {schedule(step) for step in range(schedule.steps, 3 * schedule.steps)} == {schedule(schedule.steps)}


@every
def test_every_schedule_gives_the_same_trace_in_any_order(name):
    trace = [build("schedules", name).over(200)(step, SCORES) for step in range(400)]
    schedule = build("schedules", name).over(200)
    order = list(range(400))
    random.Random(0).shuffle(order)
    for step in order:
        known = tuple(score for score in SCORES if score[0] <= step)  # what a run that stands here has seen
        assert schedule(step, known if step % 2 else SCORES) == trace[step]


WITH_STEPS = [name for name in NAMES if "steps" in inspect.signature(getattr(latih.schedules, name)).parameters]
NO_COUNT = [0, -1, 10.5, "10", True, math.nan]
WRONG = [(name, steps) for name in WITH_STEPS for steps in NO_COUNT if (name, steps) != ("constant", 0)]  # 0: no end


@pytest.mark.parametrize(("name", "steps"), WRONG)
def test_every_schedule_refuses_steps_that_are_no_count(name, steps):
    with pytest.raises(InputError, match=rf"^{name}\(steps=.*whole number.*epochs \* len\(loader\)\.$"):
        getattr(latih.schedules, name)(steps=steps)


@pytest.mark.parametrize("name", WITH_STEPS)
def test_numpy_counts_are_counts(name):
    method = getattr(latih.schedules, name)
    assert method(steps=np.int64(50)).over(100)(20) == method(steps=50).over(100)(20)


@every
def test_every_schedule_can_be_drawn(name):
    text = build("schedules", name).plot(500, lr=0.1, width=50, height=6)
    assert text.startswith("learning rate\n")
    assert max(map(len, text.splitlines())) <= 50


def test_a_plot_needs_a_length():
    with pytest.raises(InputError, match=r"^plot\(steps=0\)"):
        latih.schedules.cosine().plot(0)


def test_no_schedule_imports_torch():
    for file in Path(latih.schedules.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [module for module in modules if module.split(".")[0] == "torch"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("constant(factor=-1)", "factor must be at least 0"),
        ("power(exponent=0)", "exponent must be a number above 0"),
        ("exponential(factor=0)", "factor must be a number above 0"),
        ("exponential(factor=2)", "factor must lie between 0 and 1"),
        ("piecewise((10, 5), (1, 1, 1))", "boundaries must rise"),
        ("piecewise((10,), (1,))", "give 2 factors"),
        ("piecewise((1.5,), (1, 1))", "whole number"),
        ("piecewise((1,), (1, -1))", "factors must be at least 0"),
        ("piecewise((1,), (1, 1e999))", "factors must be a number above 0"),
        ("piecewise(5, 1)", "both must be tuples"),
        ("performance(factor=1)", "factor must be below 1"),
        ("performance(patience=0)", "patience must be a whole number"),
        ("performance(minimum=2)", "minimum must lie between 0 and 1"),
        ("performance(tolerance=-1)", "tolerance must lie between 0 and 1"),
        ("one_cycle(warm=0.9, tail=0.1)", "no time is left to come down"),
        ("one_cycle(start=2)", "start must lie between 0 and 1"),
        ("one_cycle(momentum=(0.9, 1.0))", "momentum must be two numbers"),
        ("one_cycle(momentum=0.9)", "momentum must be two numbers"),
        ("cosine(floor=-0.1)", "floor must lie between 0 and 1"),
        ("linear(floor=1.1)", "floor must lie between 0 and 1"),
        ("warmup(start='a')", "start must lie between 0 and 1"),
    ],
)
def test_bad_arguments_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        build("schedules", call)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(call.split("(")[0])
