"""Less dropout."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied

_TO = (0.1, 0.0)


def dropout(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Drops fewer units: a tenth, then none, where most of the signal was noise.

    When: the finding over-regularised; a unit that is kept with probability 1 - p carries noise of variance p / (1 - p)
    for a signal of 1. Reached are dropout modules, the dropout inside recurrent and attention layers, and numbers in
    attributes called dropout or the like; not a number written into a call of F.dropout.
    It hurts where data are few and the network is large. Source: Srivastava et al. (2014), section 9.
    """
    for share in _TO:
        model, loss = copied(training)
        lowered = [path for path, module in model.named_modules() if _lower(module, share)]
        if not lowered:
            return
        text = f"dropout -> {share:g} in {', '.join(path or 'the model' for path in lowered[:6])}"
        code = f"for module in model.modules():\n    if isinstance(module, nn.Dropout):\n        module.p = {share:g}"
        yield training.edited(Edit("dropout", text, code), model=model, loss=loss)


def _lower(module: nn.Module, share: float) -> bool:
    """Whether anything in the module itself dropped more than `share`."""
    if isinstance(module, _DropoutNd):
        lower = module.p > share
        module.p = min(module.p, share)
        return lower
    names = [
        name
        for name, value in vars(module).items()
        if "drop" in name and isinstance(value, float) and share < value <= 1
    ]
    for name in names:
        setattr(module, name, share)
    return bool(names)


CURE = Cure("dropout", dropout)
