"""The output layer alone."""

from __future__ import annotations

from ._base import Phase, Phases


def head(epochs: int | None = None, rate: float = 10.0, patience: int = 5) -> Phases:
    """Trains the fresh output layer alone, on a network that is frozen below it.

    With the rest frozen its features never change, so they are computed once and each further epoch costs next to
    nothing.

    Args:
        epochs: Length; None takes an equal share of the recipe's epochs.
        rate: Factor on the recipe's learning rate; one layer on fixed features stands large steps.
        patience: Epochs without a better validation result that end the phase.

    When to use: always first; alone where there are only a few examples a class.
    When it hurts: as the only phase, where the new data look unlike what the network was trained on.
    Source: Yosinski et al., 2014, "How transferable are features in deep neural networks?".

    >>> head(epochs=5).steps[0].share
    0.0
    """
    return Phases((Phase("head", 0.0, epochs, rate, 1.0, 1.0, 0.0, patience),))
