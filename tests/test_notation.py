"""The notation is read as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latih import InputError
from latih._notation import FAMILIES, build, home, names, parse


@pytest.mark.parametrize("family", FAMILIES)
def test_the_names_are_those_that_the_family_exports(family):
    import importlib

    module = importlib.import_module(home(family))
    assert [name for name in module.__all__ if name[0].islower()] == names(family)


@pytest.mark.parametrize("text", ["nag", "nag()", " nag( ) ", "nag(0.01)", "nag(lr=0.01)"])
def test_brackets_and_spaces_are_free(text):
    assert parse("optim", text)[0].name == "nag"


WRONG = {
    "": "not notation",
    "nag(": "not notation",
    "nag; adam": "not notation",
    "__import__('os')": "not a method",
    "nag(lr=__import__('os'))": "must be literals",
    "nag(**{'lr': 1})": "not notation",
    "nag.__class__()": "not notation",
    "(lambda: 1)()": "not notation",
    "nag(lr=0.1)(1)": "not notation",
    "nagg(lr=0.1)": "did you mean 'nag'",
    "zzz()": "the methods are",
    "nag(learning_rate=1)": "signature is nag",
    "nag(1, 2, 3, 4, 5, 6)": "signature is nag",
    "nag(lr='fast')": "lr must be a number above 0",
    "nag(lr=nan)": "must be literals",
    "(" * 500 + ")" * 500: "not notation",
    "nag(lr=" + "9" * 5000 + ")": "not notation",
    "nag\x00": "not notation",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30].replace("\x00", "0"))
def test_anything_else_is_refused_in_one_sentence(text):
    with pytest.raises(InputError, match=WRONG[text]) as caught:
        build("optim", text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_no_text_does_more_than_fail(text):
    try:
        calls = parse("schedules", text)
    except InputError:
        return
    assert all(call.name in names("schedules") for call in calls)


@given(st.integers(1, 10**6), st.floats(0.1, 3.0))
def test_numbers_arrive_as_they_were_written(steps, exponent):
    call = parse("schedules", f"power({steps}, exponent={exponent!r})")[0]
    assert (call.args, call.kwargs) == ((steps,), {"exponent": exponent})
