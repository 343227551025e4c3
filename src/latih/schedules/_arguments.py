"""The checks that schedules share: steps are counted, so they are whole numbers; multipliers are finite."""

from latih import _checks
from latih._checks import at_least, positive


def whole(call: str, name: str, value: int, minimum: int = 1) -> None:
    """Refuse a `value` that is not a whole number of at least `minimum`.

    >>> whole("cosine", "steps", 2.5)
    Traceback (most recent call last):
    latih._checks.InputError: cosine(steps=2.5): steps must be a whole number, at least 1; count optimizer updates, ...
    """
    _checks.whole(call, name, value, minimum, "count optimizer updates, such as epochs * len(loader)")


def whole_or_rest(call: str, steps: int | None) -> None:
    """Refuse a length that is neither a whole number nor None, the rest of the run."""
    if steps is not None:
        whole(call, "steps", steps)


def multiplier(call: str, name: str, value: float) -> None:
    """Refuse a multiplier of the base rate that is negative or not finite."""
    at_least(call, name, value, 0.0)
    if value:
        positive(call, name, value)
