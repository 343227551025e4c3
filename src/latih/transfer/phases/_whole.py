"""The whole network."""

from __future__ import annotations

from ._base import Phase, Phases


def whole(
    epochs: int | None = None,
    rate: float = 1.0,
    reused: float = 0.1,
    decay: float = 0.9,
    warmup: float = 0.1,
    patience: int = 5,
) -> Phases:
    """Trains the whole network with tiny rates that fall from the output layer to the input.

    Args:
        epochs: Length; None takes an equal share of the recipe's epochs.
        rate: Factor on the recipe's learning rate, for the output layer.
        reused: Factor on top of that for the reused block next to it, so that it changes little.
        decay: Each block further down has its rate multiplied by this once more; 1 gives all of them one tiny rate.
        warmup: Share of the phase's updates in which the rate rises.
        patience: Epochs without a better validation result that end the phase.

    When to use: last; where the new data differ from the old, or there are some hundred examples a class.
    When it hurts: with a handful of examples a class it overfits; at the full learning rate it forgets what it knew.
    Source: Howard and Ruder, 2018, "Universal language model fine-tuning for text classification" (discriminative
    fine-tuning).

    >>> whole(epochs=4).steps[0].reused
    0.1
    """
    return Phases((Phase("whole", 1.0, epochs, rate, reused, decay, warmup, patience),))
