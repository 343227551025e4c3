"""The contract: a schedule is a function of the optimizer step that returns a multiplier of the base learning rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from latih._checks import InputError
from latih._plot import text_chart

from ._arguments import whole

if TYPE_CHECKING:
    from ._extend import Policy

Scores = Sequence[tuple[int, float]]


class At(NamedTuple):
    """Where a run stands: what a factor may depend on."""

    step: int
    """Optimizer updates done so far, counted from 0."""
    steps: int
    """Length of this schedule in updates; 0 for one that has no end."""
    scores: Scores = ()
    """The validation results so far as (step, value), lower is better."""


@dataclass(frozen=True)
class Schedule:
    """`schedule(step)` is the factor by which the base learning rate is multiplied at that optimizer step.

    A pure function: it can be plotted before a run, tested, and resumed by calling it. `steps=None` means that it
    fills whatever is left of the run (`over` fixes that); `steps=0` that it has no end. `a >> b` runs `a` for its
    steps, then `b`, which counts from 0 again.
    """

    factor: Callable[[At], float]
    steps: int | None = 0
    momentum: Callable[[At], float | None] | None = None

    def __call__(self, step: int, scores: Scores = ()) -> float:
        return self.factor(self._at(step, scores))

    def momentum_at(self, step: int, scores: Scores = ()) -> float | None:
        """The momentum that goes with the rate (one_cycle mirrors it), or None to leave the optimizer's own."""
        return None if self.momentum is None else self.momentum(self._at(step, scores))

    def over(self, steps: int) -> Schedule:
        """The same schedule with every "rest of the run" fixed for a run of `steps` updates."""
        return replace(self, steps=max(steps, 1)) if self.steps is None else self

    def __rshift__(self, after: Schedule) -> Schedule:
        from ._chain import chain

        return chain(self, after)

    def __rrshift__(self, before: object) -> Schedule:
        from ._chain import chain

        return chain(before, self)  # pyright: ignore[reportArgumentType]  # refuses it with the way out

    def extended(self, old_steps: int, new_steps: int, policy: Policy = "hold") -> Schedule:
        """This schedule for a run that was finished at `old_steps` updates and goes on to `new_steps` in all.

        `"stretch"`: as if the run had been planned this long: what fills the run fills the longer one, what has no end
        goes on. Where it had come down, the rate jumps back up, and the updates already made do not fit it.
        `"hold"`: the rate (and momentum) of the last update goes on, whatever validation says; after a schedule that
        comes down to 0 that is next to nothing.
        `"restart"`: the schedule begins again for the new updates, warm-up and all, and sees only the scores since.

        Under `hold` and `restart` the updates already made keep their rates. Call it on the schedule as it was written,
        before `over`.

        Raises `InputError` for an unknown policy, counts that do not grow, or a stretch of a schedule with a fixed end.

        >>> from latih.schedules import linear
        >>> [linear().extended(4, 8, policy)(4) for policy in ("stretch", "hold", "restart")]
        [0.5, 0.25, 1.0]
        """
        from ._extend import extend

        return extend(self, old_steps, new_steps, policy)

    def plot(
        self, steps: int, *, lr: float = 1.0, width: int = 72, height: int = 12, path: str | Path | None = None
    ) -> str:
        """The learning rate over a run of `steps` updates with base rate `lr`, drawn as text of `width` columns.

        With a `path` that ends in .svg or .png the chart is also written there.
        """
        whole("plot", "steps", steps)
        fixed = self.over(steps)
        shown = range(0, steps, max(steps // 2000, 1))
        rates = [(step, lr * fixed(step)) for step in shown]
        if path is not None:
            from ._picture import write

            write(Path(path), rates)
        return text_chart({"": rates}, width, height, "learning rate")

    def _at(self, step: int, scores: Scores) -> At:
        if self.steps is None:
            raise InputError("this schedule fills the run, whose length is not known yet; call .over(steps) first.")
        return At(step, self.steps, scores)
