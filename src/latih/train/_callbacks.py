"""Every moment of a training run has one documented name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._trainer import Trainer


class StopTraining(Exception):  # noqa: N818 - a signal, not an error
    """Raise it from a callback to end training in good order; the history records the reason."""


class Callback:
    """Override what you need. An `on_...` name that is not an event fails when the class is defined.

    What a callback has to remember across an interruption it gives away in `state` and takes back in `load`.
    """

    def __init_subclass__(cls) -> None:
        unknown = [name for name in vars(cls) if name.startswith("on_") and name not in EVENTS]
        if unknown:
            raise TypeError(f"{cls.__name__} defines {', '.join(unknown)}; the events are {', '.join(EVENTS)}.")

    def on_fit_start(self, trainer: Trainer) -> None:
        """Everything is built, no batch has been seen (or a checkpoint has just been restored)."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """An epoch begins (or goes on after a resume)."""

    def on_loss(self, trainer: Trainer) -> None:
        """`trainer.step.loss` is known, nothing has been differentiated."""

    def on_gradients(self, trainer: Trainer) -> None:
        """Gradients are final for this step, clipping included: look at them here."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Parameters have moved, gradients are gone; `trainer.step.count` updates are done."""

    def on_use(self, trainer: Trainer) -> None:
        """The weights are about to be validated or saved: the last chance to look at them before."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """The epoch is validated; `trainer.history.rows[-1]` is its row."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Training is over, whatever the reason."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: tensors, numbers, text, and lists and dicts of them.

        It is copied at once, so it may be the callback's own data. By default nothing is kept.
        """
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned, before `on_fit_start`; tensors come back on the CPU, tuples as tuples.

        Called on the callback of the same class (of several, the one at the same place) when a run is resumed.
        """


EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def reactions(callbacks: Sequence[Callback]) -> dict[str, list[Callable[[Trainer], None]]]:
    """For each event the bound methods that override it, so that an event nobody watches costs nothing."""
    return {
        event: [getattr(one, event) for one in callbacks if getattr(type(one), event) is not getattr(Callback, event)]
        for event in EVENTS
    }
