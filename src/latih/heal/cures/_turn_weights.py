from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from latih.diagnose import Finding

from .._base import Case, Cure, Training
from ._class_weights import weighted


def turn_weights(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Replaces class weights that are larger for common classes than for rare ones by their opposite.

    When: the finding class-imbalance says so. The weights are those of `class_weights`: n_c to the power -1/2 or -1.
    """
    if "its weight over a rare one's" in finding.evidence:
        for made in weighted(training, case):
            edit = made.edits[-1]
            yield replace(made, edits=(*made.edits[:-1], replace(edit, cure="turn_weights")))


CURE = Cure("turn_weights", turn_weights, corrects=True)
