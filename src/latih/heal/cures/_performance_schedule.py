from __future__ import annotations

from collections.abc import Iterator

from latih import _notation
from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training

_FEWEST = 4
"""Epochs below which validation has too little to say."""


def performance_schedule(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Halves the learning rate whenever the validation result has stopped improving.

    For a loss that oscillates or stands still late in the run: the noise of stochastic gradients keeps it at a distance
    from the minimum in proportion to the rate. One check an epoch; patience an eighth of the epochs, from 1 to 5. A
    warm-up that is there stays in front.

    It hurts where the validation result is noisy: chance finds a new best, or the rate falls too early. Nothing
    for runs of fewer than four epochs.

    Source: Senior et al. (2013), performance scheduling.
    """
    recipe = training.recipe
    names = [call.name for call in _notation.parse("schedules", recipe.schedule)]
    if recipe.epochs < _FEWEST or "performance" in names:
        return
    patience = min(max(recipe.epochs // 8, 1), 5)
    schedule = f"performance(patience={patience})"
    if names[0] == "warmup" and len(names) > 1:
        schedule = f"{recipe.schedule.split('>>')[0].strip()} >> {schedule}"
    text = f"schedule {recipe.schedule} -> {schedule}: the rate is halved after {patience} checks without improvement"
    code = (
        "scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(\n"
        f"    optimizer, factor=0.5, patience={patience - 1}\n"
        ")  # scheduler.step(valid_loss) after every epoch"
    )
    yield training.edited(Edit("performance_schedule", text, code, {"schedule": schedule}))


CURE = Cure("performance_schedule", performance_schedule)
