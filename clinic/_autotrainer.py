"""A port of AutoTrainer's published order of solutions (Zhang et al., ICSE 2021, table 2) to PyTorch.

Its detection is replaced by latih's findings, which is to its favour; five problems are known to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from latih.diagnose import Finding, Findings
from latih.heal import Case, Training
from latih.heal._candidates import Candidate, Dose
from latih.heal.cures import CURES

_ORDER = {
    # problem -> solutions in the order in which they are tried
    "vanishing-gradient": ("selu", "relu", "insert_norm", "reinitialise"),
    "exploding-gradient": ("insert_norm", "clip", "reinitialise"),
    "dead-units": ("selu", "reinitialise", "relu"),
    "oscillating-loss": ("batch_size", "adam", "lower_lr"),
    "slow": ("raise_lr", "adam"),
}
_SLOW = frozenset(("learning-rate-too-low", "not-learning", "underfitting", "unsuited-optimizer"))


def solutions(training: Training, case: Case, findings: Findings) -> Iterator[Training]:
    """Edited trainings, one solution each; at most four, since every one costs a whole training."""
    found = [one for one in findings if one.severity != "info"]
    problem = next((one for one in found if one.name in _ORDER), None)
    slow = next((one for one in found if one.name in _SLOW), None)
    if problem is None and slow is None:
        return
    finding = problem or slow
    assert finding is not None
    count = 0
    for name in _ORDER[problem.name if problem is not None else "slow"]:
        made = _made(name, training, case, finding)
        if made is not None and count < 4:
            count += 1
            yield made


def _made(name: str, training: Training, case: Case, finding: Finding) -> Training | None:
    if name == "adam":
        return replace(training, optimizer=training.optimizer.with_method("adam(lr=0.001)"))
    if name in ("selu", "relu"):
        swaps = CURES["swap_activation"].apply(training, case, finding)
        return next((one for one in swaps if f"-> {name}" in one.edits[-1].text), None)
    return Candidate((Dose(CURES[name], finding),)).made(training, case)
