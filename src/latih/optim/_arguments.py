"""The checks that optimizers share: averages forget, so their factors lie in [0, 1)."""

from latih._checks import InputError, at_least


def below_one(call: str, name: str, value: float, way_out: str = "0.9 is the usual start") -> None:
    """Refuse a `value` outside [0, 1).

    >>> below_one("nag", "momentum", 1.0)
    Traceback (most recent call last):
    latih._checks.InputError: nag(momentum=1.0): momentum must be from 0 to below 1; 0.9 is the usual start.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise InputError(f"{call}({name}={value!r}): {name} must be from 0 to below 1; {way_out}.")


def two_betas(call: str, betas: tuple[float, float]) -> tuple[float, float]:
    """`betas` as a pair of numbers, each in [0, 1)."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise InputError(f"{call}(betas={betas!r}): betas must be two numbers; write betas=(0.9, 0.999).")
    for beta in betas:
        below_one(call, "betas", beta, "each of the two forgets a little at every step, as in (0.9, 0.999)")
    return float(betas[0]), float(betas[1])


def epsilon(call: str, value: float) -> None:
    """Refuse an `eps` below 0."""
    at_least(call, "eps", value, 0.0, "it keeps a division from meeting 0")
