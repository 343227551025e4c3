"""The upper blocks."""

from __future__ import annotations

from latih._checks import positive

from ._base import Phase, Phases


def top(
    share: float = 0.34,
    epochs: int | None = None,
    rate: float = 1.0,
    reused: float = 0.1,
    decay: float = 0.9,
    warmup: float = 0.1,
    patience: int = 5,
) -> Phases:
    """Trains the output layer and the reused blocks next to it; what lies further below stays frozen.

    Lower layers know edges and textures, which any picture has; upper ones know the old classes, and gain the most.

    Args:
        share: Of the reused blocks, counted from the output.
        epochs: Length; None takes an equal share of the recipe's epochs.
        rate: Factor on the recipe's learning rate, for the output layer.
        reused: Factor on top of that for the reused block next to it, so that it changes little.
        decay: Each block further down has its rate multiplied by this once more; 1 gives all of them one tiny rate.
        warmup: Share of the phase's updates in which the rate rises.
        patience: Epochs without a better validation result that end the phase.

    When to use: between `head` and `whole` in deep networks.
    When it hurts: hardly; it costs epochs in shallow ones.
    Source: Howard and Ruder, 2018, "Universal language model fine-tuning for text classification" (gradual unfreezing).

    >>> (top(share=0.5) >> top(share=0.8)).steps[1].share
    0.8
    """
    positive("top", "share", share, "head() trains the output layer alone")
    return Phases((Phase("top", share, epochs, rate, reused, decay, warmup, patience),))
