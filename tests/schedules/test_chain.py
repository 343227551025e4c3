import pytest
from hypothesis import given
from hypothesis import strategies as st

from latih._checks import InputError
from latih.schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    linear,
    one_cycle,
    performance,
    piecewise,
    power,
    warmup,
)

lengths = st.integers(1, 40)
finite = st.one_of(
    lengths.map(warmup), lengths.map(cosine), lengths.map(linear), lengths.map(one_cycle), lengths.map(constant)
)
rest = st.sampled_from([cosine(), linear(floor=0.2), one_cycle(), constant(None, 0.7)])
endless = st.sampled_from([power(7), exponential(9), piecewise((3, 8)), constant(), performance(patience=1)])
SCORES = tuple((step, 1.0 + step % 3) for step in range(0, 160, 4))


@st.composite
def three_pieces(draw):
    pieces = [draw(finite) for _ in range(3)]
    kind = draw(st.sampled_from(["finite", "rest", "endless"]))
    if kind == "rest":
        pieces[draw(st.integers(0, 2))] = draw(rest)
    if kind == "endless":
        pieces[2] = draw(endless)
    return pieces


@given(three_pieces(), st.integers(1, 150))
def test_chaining_is_associative(pieces, run):
    a, b, c = pieces
    left, right = ((a >> b) >> c).over(run), (a >> (b >> c)).over(run)
    assert left.steps == right.steps
    for step in range(160):
        assert left(step, SCORES) == right(step, SCORES)
        assert left.momentum_at(step) == right.momentum_at(step)


@given(st.lists(finite, min_size=2, max_size=5))
def test_a_chain_plays_its_pieces_one_after_the_other(pieces):
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole >> piece
    expected = [piece(step) for piece in pieces for step in range(piece.steps)]
    assert whole.steps == len(expected)
    assert [whole(step) for step in range(len(expected))] == expected
    assert whole(len(expected) + 5) == pieces[-1](pieces[-1].steps + 5)


def test_the_rest_of_the_run_goes_to_the_open_piece():
    schedule = (warmup(10) >> constant(None) >> linear(30)).over(100)
    assert schedule.steps == 100
    assert {schedule(step) for step in range(10, 70)} == {1.0}
    assert schedule(71) == linear(30)(1)
    assert schedule(100) == 0.0


def test_the_rest_is_at_least_one_update_when_the_run_is_too_short():
    schedule = (warmup(10) >> cosine() >> linear(30)).over(20)
    assert [schedule(step) for step in (9, 10, 11, 12)] == [1.0, 1.0, 1.0, linear(30)(1)]


def test_a_fixed_rest_stays_fixed_inside_a_longer_chain():
    schedule = (warmup(10) >> cosine()).over(50) >> constant(factor=0.5)
    assert schedule(49) == cosine(40)(39)
    assert schedule(50) == 0.5


def test_a_longer_chain_has_no_length_before_the_run_has_one():
    with pytest.raises(InputError, match=r"call \.over\(steps\) first"):
        (warmup(10) >> cosine())(0)


def test_the_same_schedule_may_come_twice():
    wave = linear(10)
    schedule = wave >> constant(5) >> wave
    assert [schedule(step) for step in (0, 12, 15, 20)] == [1.0, 1.0, 1.0, 0.5]


def test_a_later_piece_sees_only_the_scores_since_its_start_by_its_own_count():
    seen = []

    def factor(at):
        seen.append((at.step, list(at.scores)))
        return 1.0

    schedule = warmup(10) >> Schedule(factor)
    schedule(25, [(5, 0.1), (10, 0.2), (11, 0.3), (20, 0.4)])
    assert seen == [(15, [(1, 0.3), (10, 0.4)])]


def test_performance_after_warmup_forgets_the_warmup():
    scores = ((5, 0.1), (15, 0.5), (25, 0.6))
    assert (warmup(10) >> performance(patience=1))(30, scores) == 0.5
    assert performance(patience=1)(30, scores) == 0.25


def test_the_momentum_of_a_piece_passes_through():
    schedule = (warmup(10) >> one_cycle() >> linear(10)).over(120)
    assert schedule.momentum_at(5) is None
    assert schedule.momentum_at(60) == pytest.approx(0.85)
    assert schedule.momentum_at(115) is None
    assert (warmup(10) >> linear(10)).momentum is None


@pytest.mark.parametrize(
    "first", [power(), exponential(), piecewise(), performance(), constant(), warmup(3) >> power()]
)
def test_a_piece_without_an_end_may_only_be_last(first):
    with pytest.raises(InputError, match="put it last"):
        first >> cosine(10)


def test_only_one_piece_may_fill_the_rest():
    with pytest.raises(InputError, match=r"two pieces fill the rest.*give all but one of them a length"):
        cosine() >> linear()
    with pytest.raises(InputError, match="two pieces fill the rest"):
        (cosine() >> warmup(3)) >> linear()


def test_no_rest_is_left_before_a_piece_without_an_end():
    with pytest.raises(InputError, match=r"cosine\(1000\) >> power\(1000\)"):
        cosine() >> power()


@pytest.mark.parametrize("other", [3, None, "power()", power, lambda step: 1.0])
def test_only_schedules_can_be_chained(other):
    with pytest.raises(InputError, match="both sides must be schedules, called"):
        warmup(3) >> other
    with pytest.raises(InputError, match="both sides must be schedules, called"):
        other >> warmup(3)
