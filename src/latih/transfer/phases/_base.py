"""The contract: phases are plain data, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from latih._checks import InputError, at_least, positive, whole, within


@dataclass(frozen=True)
class Phase:
    """One stretch of training: which part of the network learns, for how long, and how fast."""

    name: str
    share: float
    """Of the reused blocks, counted from the output, that are trained: 0 none, 1 all."""
    epochs: int | None
    """None: an equal share of the recipe's epochs that no phase asks for."""
    rate: float
    """Factor on the recipe's learning rate: that of the output layer in this phase."""
    reused: float
    """Factor on top of that for the reused block next to the output layer."""
    decay: float
    """Each block further from the output has its rate multiplied by this once more."""
    warmup: float
    """Share of the phase's updates in which the rate rises from near 0."""
    patience: int
    """Epochs without improvement that end the phase; the recipe's own patience where that is shorter."""

    def __post_init__(self) -> None:
        within(self.name, "share", self.share, 0.0, 1.0)
        if self.epochs is not None:
            whole(self.name, "epochs", self.epochs, 1)
        positive(self.name, "rate", self.rate)
        positive(self.name, "reused", self.reused)
        positive(self.name, "decay", self.decay, "1 gives every layer the same rate")
        within(self.name, "decay", self.decay, 0.0, 1.0, "1 gives every layer the same rate")
        at_least(self.name, "warmup", self.warmup, 0.0)
        within(self.name, "warmup", self.warmup, 0.0, 0.9)
        whole(self.name, "patience", self.patience, 1)


@dataclass(frozen=True)
class Phases:
    """`a >> b` runs phase a, then phase b."""

    steps: tuple[Phase, ...]

    def __rshift__(self, after: Phases) -> Phases:
        if not isinstance(after, Phases):
            raise InputError(f"phases >> {type(after).__name__}: join phases with phases, as in head() >> whole().")
        return Phases(self.steps + after.steps)

    def over(self, epochs: int) -> tuple[Phase, ...]:
        """The phases with every open length fixed: what others leave of `epochs` is divided equally, the rest first.

        Raises `InputError` where fewer epochs are left than phases.

        >>> from latih.transfer.phases import head, whole
        >>> [phase.epochs for phase in (head() >> whole(epochs=3)).over(10)]
        [7, 3]
        """
        taken = sum(phase.epochs or 0 for phase in self.steps)
        waiting = [place for place, phase in enumerate(self.steps) if phase.epochs is None]
        left = epochs - taken
        if waiting and left < len(waiting):
            raise InputError(
                f"--phases: {len(self.steps)} phases need at least {taken + len(waiting)} epochs and the recipe has "
                f"{epochs}; pass more --epochs, or fewer phases such as 'head()'."
            )
        shares = {place: left // len(waiting) + (number < left % len(waiting)) for number, place in enumerate(waiting)}
        return tuple(
            replace(phase, epochs=shares[place]) if place in shares else phase for place, phase in enumerate(self.steps)
        )
