"""What `find_lr` returns: the rate, what was seen, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from latih._plot import number

from ._curve import Curve
from ._picture import svg, text
from ._sweep import Swept
from ._validate import Candidate


@dataclass(frozen=True)
class LrFinding:
    """A learning rate that was tried, or None with the reason; print it to see the curve and the candidates."""

    lr: float | None
    """For the largest group of parameters; None where no rate helps."""
    groups: tuple[float, ...]
    """For every group of the optimizer, in its order and in the proportions it came with."""
    optimizer: str
    """The method in notation, with the rate found."""
    stopped: str
    """How the search ended, in one sentence."""
    swept: Swept
    curve: Curve
    candidates: tuple[Candidate, ...] = ()
    """By rate, smallest first."""
    finals: tuple[Candidate, ...] = ()
    """Longer runs of two that came near each other; they decided."""
    start: float = math.nan
    """Held-out loss before the first update, with which the candidates compare."""
    updates: int = 0
    """Of each short training."""
    notes: tuple[str, ...] = field(default=())
    """What else one should know of how it was found."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Of the sweep, one an update."""
        return self.swept.rates

    @property
    def losses(self) -> tuple[float, ...]:
        """Loss of the same training examples after the update at each of the `rates`."""
        return self.swept.losses

    @property
    def kept(self) -> Candidate | None:
        """The candidate that won."""
        return next((one for one in self.candidates if one.lr == self.lr), None)

    def svg(self) -> str:
        """The curve as the text of an SVG file."""
        return svg(self.swept, self.curve, self.lr)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a loss that is not finite is None."""
        return {
            "lr": self.lr,
            "groups": list(self.groups),
            "optimizer": self.optimizer,
            "stopped": self.stopped,
            "candidates": [_row(one) for one in self.candidates],
            "finals": [_row(one) for one in self.finals],
            "start": _plain(self.start),
            "steepest": self.curve.steepest,
            "lowest": self.curve.lowest,
            "rises": self.curve.rises,
            "rates": list(self.rates),
            "losses": [_plain(loss) for loss in self.losses],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"learning rate {self.lr:g}: {self.optimizer}" if self.lr is not None else "no learning rate found"]
        if len(self.groups) > 1:
            lines.append(f"rates of the groups: {', '.join(f'{rate:.3g}' for rate in self.groups)}")
        lines.append(self.stopped)
        if self.rates:
            lines += ["", text(self.swept, self.curve, self.lr)]
        if self.candidates:
            lines += ["", *self._table()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _table(self) -> list[str]:
        lines = [f"{'rate':>8}  held-out loss after {self.updates} updates ({number(self.start)} before the first)"]
        finals = {one.lr: one for one in self.finals}
        for one in self.candidates:
            longer = f", {_result(final)} after {final.updates}" if (final := finals.get(one.lr)) is not None else ""
            lines.append(f"{one.lr:>8g}  {_result(one)}{longer}{'  <- kept' if one is self.kept else ''}")
        return lines


def _result(one: Candidate) -> str:
    return number(one.loss) if one.finite else "diverged"


def _row(one: Candidate) -> dict[str, Any]:
    return {"lr": one.lr, "loss": _plain(one.loss), "updates": one.updates}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
