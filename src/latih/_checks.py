"""Input checks that write the error sentence: what was passed, the rule, the way out."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral


class InputError(ValueError):
    """A user's mistake, in one sentence; the command line prints it and exits with 2."""


def at_least(call: str, name: str, value: float, minimum: float, way_out: str = "") -> None:
    """Refuse a `value` below `minimum` (or NaN).

    >>> at_least("cosine", "steps", 0, 1, "pass epochs * len(loader)")
    Traceback (most recent call last):
    latih._checks.InputError: cosine(steps=0): steps must be at least 1; pass epochs * len(loader).
    """
    if not _is_number(value) or not value >= minimum:
        raise InputError(_sentence(call, name, value, f"must be at least {minimum:g}", way_out))


def whole(call: str, name: str, value: object, minimum: int, way_out: str = "") -> None:
    """Refuse a `value` that is not a whole number of at least `minimum`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise InputError(_sentence(call, name, value, f"must be a whole number, at least {minimum}", way_out))


def positive(call: str, name: str, value: float, way_out: str = "") -> None:
    """Refuse a `value` that is not a finite number above 0."""
    if not _is_number(value) or not (value > 0 and math.isfinite(value)):
        raise InputError(_sentence(call, name, value, "must be a number above 0", way_out))


def within(call: str, name: str, value: float, low: float, high: float, way_out: str = "") -> None:
    """Refuse a `value` outside the closed interval [low, high]."""
    if not _is_number(value) or not low <= value <= high:
        raise InputError(_sentence(call, name, value, f"must lie between {low:g} and {high:g}", way_out))


def one_of(call: str, name: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a `value` that is not one of the `allowed` names; name the nearest."""
    allowed = list(allowed)
    if value not in allowed:
        rule = f"{name} must be one of {', '.join(allowed)}"
        raise InputError(f"{call}({name}={value!r}): {rule}{did_you_mean(value, allowed, '.')}")


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """The question that ends an "unknown name" sentence, or `otherwise` when no name is near.

    >>> did_you_mean("nagg", ["sgd", "nag"])
    "; did you mean 'nag'?"
    """
    near = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else otherwise


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sentence(call: str, name: str, value: object, rule: str, way_out: str) -> str:
    return f"{call}({name}={value!r}): {name} {rule}" + (f"; {way_out}." if way_out else ".")
