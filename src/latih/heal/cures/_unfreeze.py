"""Frozen weights that never learned anything may learn."""

from __future__ import annotations

from collections.abc import Iterator

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._trained import trained


def unfreeze(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Lets frozen weights learn where they are still the random draw that they were made with.

    When: the finding frozen-parameters. Weights that were trained before stay frozen, with everything of their layer.
    What stands under `torch.no_grad()` is not frozen but unreached: see `register`.
    It hurts where random features are meant. Source: Yosinski et al. (2014): only learned features are worth keeping.
    """
    model, loss = copied(training)
    kept = {name.rpartition(".")[0] for name in trained(model, case)}
    parameters = dict(model.named_parameters())
    frozen = [name for name, one in parameters.items() if not one.requires_grad and one.is_floating_point()]
    free = [name for name in frozen if name.rpartition(".")[0] not in kept]
    if not any(parameters[name].dim() > 1 for name in free):
        return
    for name in free:
        parameters[name].requires_grad_(True)
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in free))
    text = f"{len(free)} frozen parameters that were never trained may learn: {', '.join(layers[:6])}"
    if len(free) == len(frozen):
        code = "model.requires_grad_(True)"
    else:
        code = f"for name in {layers}:\n    model.get_submodule(name).requires_grad_(True)"
    code += "  # then make the optimizer: it must hold them"
    plan = training.optimizer.taking_in(free)
    yield training.edited(Edit("unfreeze", text, code), model=model, loss=loss, optimizer=plan)


CURE = Cure("unfreeze", unfreeze, corrects=True)
