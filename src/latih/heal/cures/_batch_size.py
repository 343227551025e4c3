from __future__ import annotations

import math
from collections.abc import Iterator

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._rates import at_rate, present_rate, rate_code, rounded

_TIMES = 4
_ENOUGH = 16
"""Examples from which a batch norm's statistics are worth something."""
_PARTS = 8
"""Batches that the data must still make."""
_UPDATES = 50
_WORTH = 1.5
_ADAPTIVE = ("adam", "adagrad", "rmsprop", "adadelta", "nadam", "adamax", "lion", "muon", "rprop")


def batch_size(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Takes larger batches, whose gradients scatter less and whose statistics a batch norm can use.

    Four times as many examples (for a batch norm at least 16), up to an eighth of the data and as long as 50 updates
    are left. One variant scales the learning rate along: in proportion for plain methods, which keeps the noise of an
    epoch as it was, by the square root for those that divide by the gradient's size. The other leaves it, which divides
    the noise by the batch's growth; it comes first where the loss oscillates. For a batch norm whose batches are
    worked through in parts, the parts go first: each has statistics of its own.

    It hurts in short runs, which then make too few updates.

    Source: Goyal et al. (2017) for the proportion; Malladi et al. (2022) for the root; Smith et al. (2018) for the
    noise.
    """
    recipe, normed = training.recipe, finding.code == "L109"
    if normed and recipe.accumulate > 1:
        text = f"batches of {recipe.batch_size} in one part instead of {recipe.accumulate}"
        yield training.edited(Edit("batch_size", text, f"loader = {_loader(recipe.batch_size)}", {"accumulate": 1}))
    size = _larger(training, case, normed)
    if size < _WORTH * recipe.batch_size:
        return
    growth = size / recipe.batch_size
    adaptive = any(name in training.optimizer.name for name in _ADAPTIVE)
    scaled = rounded(present_rate(training) * (math.sqrt(growth) if adaptive else growth))
    variants = [_grown(training, size, scaled), _grown(training, size, None)]
    yield from variants if normed else reversed(variants)


def _larger(training: Training, case: Case, normed: bool) -> int:
    recipe = training.recipe
    record = case.findings.record
    known = record.examples if record is not None else None
    examples = known or case.updates * recipe.batch_size // recipe.epochs
    wanted = max(_TIMES * recipe.batch_size, _ENOUGH if normed else 0)
    return min(wanted, examples // _PARTS, case.updates * recipe.batch_size // _UPDATES)


def _grown(training: Training, size: int, rate: float | None) -> Training:
    text, code = f"batch size {training.recipe.batch_size} -> {size}", f"loader = {_loader(size)}"
    fields = {"batch_size": size}
    if rate is None or not rate > 0:
        return training.edited(Edit("batch_size", text, code, fields))
    plan, more = at_rate(training, rate)
    text += f", learning rate {present_rate(training):.2g} -> {rate:.2g}"
    edit = Edit("batch_size", text, f"{code}\n{rate_code(training, rate)}", fields | more)
    return training.edited(edit, optimizer=plan)


def _loader(size: int) -> str:
    return f"torch.utils.data.DataLoader(list(zip(x, y)), batch_size={size}, shuffle=True)"


CURE = Cure("batch_size", batch_size)
