"""Stop where held-out results are best."""

from __future__ import annotations

from collections.abc import Iterator

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training

_SHARE = 10
"""Of the epochs, that much may pass without improvement."""


def early_stop(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Ends training when held-out results have stopped improving, and keeps the best weights.

    When: the finding overfitting. A recipe with a patience above 0 keeps the best weights already: then there is
    nothing to do. It hurts where results scatter so much that the best one is luck, or rest before they fall again.
    Source: Prechelt (1998).
    """
    if training.recipe.patience:
        return
    patience = max(3, training.recipe.epochs // _SHARE)
    text = f"patience: 0 -> {patience} epochs without improvement; the best weights are kept"
    code = (
        "if valid_loss < best:\n"
        "    best, bad_epochs, weights = valid_loss, 0, copy.deepcopy(model.state_dict())\n"
        f"elif (bad_epochs := bad_epochs + 1) >= {patience}:\n"
        "    model.load_state_dict(weights)\n"
        "    break"
    )
    yield training.edited(Edit("early_stop", text, code, {"patience": patience}))


CURE = Cure("early_stop", early_stop)
