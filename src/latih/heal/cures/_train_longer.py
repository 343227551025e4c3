"""Twice the epochs."""

from __future__ import annotations

from collections.abc import Iterator

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training


def train_longer(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Trains for twice as many epochs, for a loss that is still falling when the run ends.

    When: the finding underfitting, where the run was too short. It costs twice the time, and hurts where held-out
    results have already turned: with a patience the best weights are kept. Source: Hoffer et al. (2017), "train longer,
    generalize better".
    """
    epochs = 2 * training.recipe.epochs
    text = f"epochs: {training.recipe.epochs} -> {epochs}"
    code = f"for epoch in range({epochs}):  # and a schedule that is {epochs} epochs long\n    ..."
    yield training.edited(Edit("train_longer", text, code, {"epochs": epochs}))


CURE = Cure("train_longer", train_longer)
