"""What is known of a point in the data flow."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._graph import Op


@dataclass(slots=True, eq=False)
class Use:
    """One use of one weight."""

    kind: str
    parameters: tuple[str, ...]
    """Candidates: more than one where the weight is computed from several."""
    bias: tuple[str, ...]
    shape: tuple[int, ...]
    """Of the weight as the op receives it."""
    fans: tuple[int, int]
    part: bool = False
    """A slice of the parameter, so that a second use need not be sharing."""
    recurrent: bool = False
    blocks: int = 1


@dataclass(slots=True, eq=False)
class Place:
    """What is known of one op's output."""

    carries: str = "constant"
    """signal, weight or constant."""
    depth: int = 0
    """Weighted layers behind it, at most."""
    parameters: tuple[str, ...] = ()
    """Of an expression of weights."""
    part: bool = False
    signals: int = 0
    """Sources that carry one."""
    layers: tuple[Use, ...] = ()
    """The layers the signal last came from."""
    uses: tuple[Use, ...] = ()
    """The layers that the op itself is."""
    role: str = ""
    """layer, product (of two signals), bias, fixed (a constant matrix), or "" where the op table decides."""
    fork: Op | None = None
    """Nearest op behind it whose output goes more than one way."""
    skips: list[Op] = field(default_factory=list)
    """Of an add or a cat: the sources that bypass its deepest branch."""
    identity: set[Op] = field(default_factory=set)
    """Those of them that no layer of their own leads to."""


def carries(source: Op | None, places: dict[Op, Place]) -> str:
    """signal, weight or constant."""
    return "constant" if source is None else places[source].carries
