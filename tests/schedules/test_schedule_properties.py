"""What holds for a schedule with any arguments in its range."""

import math

from hypothesis import given
from hypothesis import strategies as st

from latih import schedules
from latih._notation import build, written

lengths = st.integers(1, 300)
share = st.floats(0.0, 1.0)
above = st.floats(1e-6, 1.0)
factors = st.floats(0.0, 10.0)
momenta = st.floats(0.0, 0.99)


@st.composite
def stairs(draw):
    boundaries = tuple(sorted(draw(st.sets(st.integers(1, 300), max_size=4))))
    many = len(boundaries) + 1
    return {"boundaries": boundaries, "factors": tuple(draw(st.lists(factors, min_size=many, max_size=many)))}


@st.composite
def cycles(draw):
    warm = draw(st.floats(0.0, 0.6))
    tail = draw(st.floats(0.0, 0.35))
    given = {"start": draw(share), "final": draw(share), "warm": warm, "tail": tail}
    return {**given, "steps": draw(lengths), "momentum": draw(st.none() | st.tuples(momenta, momenta))}


CALLS = {
    "constant": st.fixed_dictionaries({"steps": lengths, "factor": factors}),
    "cosine": st.fixed_dictionaries({"steps": lengths, "floor": share}),
    "linear": st.fixed_dictionaries({"steps": lengths, "floor": share}),
    "one_cycle": cycles(),
    "warmup": st.fixed_dictionaries({"steps": lengths, "start": share}),
}
LAST = {
    "power": st.fixed_dictionaries({"steps": lengths, "exponent": st.floats(0.01, 4.0)}),
    "exponential": st.fixed_dictionaries({"steps": lengths, "factor": above}),
    "piecewise": stairs(),
    "performance": st.fixed_dictionaries(
        {"factor": st.floats(0.01, 0.99), "patience": st.integers(1, 9), "minimum": share, "tolerance": share}
    ),
}


def calls(table):
    return st.sampled_from(sorted(table)).flatmap(lambda name: table[name].map(lambda arguments: (name, arguments)))


@st.composite
def chains(draw):
    """Up to three pieces with an end, then perhaps one without."""
    pieces = draw(st.lists(calls(CALLS), max_size=3))
    if not pieces or draw(st.booleans()):
        pieces.append(draw(calls(LAST)))
    return pieces


scores = st.lists(st.floats(-1e3, 1e3) | st.just(math.nan), max_size=30).map(
    lambda values: tuple((11 * (i + 1), value) for i, value in enumerate(values))
)


def made(pieces):
    whole = None
    for name, arguments in pieces:
        schedule = getattr(schedules, name)(**arguments)
        whole = schedule if whole is None else whole >> schedule
    return whole


def test_every_schedule_is_drawn():
    from latih._notation import names

    assert {*CALLS, *LAST} == set(names("schedules"))


@given(chains(), scores, st.lists(st.integers(0, 10**6), max_size=20))
def test_factors_are_finite_and_not_negative(pieces, history, far):
    schedule = made(pieces)
    for step in [*range(0, 1300, 13), *far]:
        value, momentum = schedule(step, history), schedule.momentum_at(step, history)
        assert math.isfinite(value)
        assert value >= 0
        assert momentum is None or 0 <= momentum < 1


@given(chains(), scores, st.permutations(range(0, 1000, 37)))
def test_a_factor_depends_on_nothing_but_the_step_and_the_scores(pieces, history, order):
    schedule = made(pieces)
    expected = {step: made(pieces)(step, history) for step in order}
    assert {step: schedule(step, history if step % 2 else list(history)) for step in order} == expected


@given(chains(), scores)
def test_the_notation_says_the_whole_schedule(pieces, history):
    text = " >> ".join(written(getattr(schedules, name), **arguments) for name, arguments in pieces)
    read, schedule = build("schedules", text), made(pieces)
    assert read.steps == schedule.steps
    for step in range(0, 1300, 29):
        assert read(step, history) == schedule(step, history)
        assert read.momentum_at(step) == schedule.momentum_at(step)
