"""Whose fault it was: the batch is run once more, on weights that are known to be good."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latih._shards import divided
from latih.data import Examples, TensorExamples
from latih.watch import Origin, Suspect, unnoticed

from ._last_good import LastGood
from ._step import Step

_AT_ONCE = 256


def origin_of(step: Step, inputs: Tensor, targets: Tensor) -> Origin | None:
    """Where the first value that is not finite arises on the weights as they are; None where none does.

    Nothing is changed by it. A batch that cannot be run again tells nothing.
    """
    if divided(step.parameters[0]):
        return _origin_among_shards(step, inputs, targets)
    model, suspect = step.model, Suspect(step.model)
    suspect.batch = (inputs,), {}
    if step.precision != "float32":
        suspect.autocast = inputs.device.type, getattr(torch, step.precision)
    try:
        with unnoticed(model), torch.enable_grad():
            with step.autocast:
                output = model(inputs)
                loss = step.loss_function(output, targets)
            if math.isfinite(float(loss.detach())):
                return None
            suspect.search(step.count, loss, [output])
    except Exception:  # the run has trouble enough
        return None
    return suspect.origin


def _origin_among_shards(step: Step, inputs: Tensor, targets: Tensor) -> Origin | None:
    """All processes see the same batch, and none the layers of a forward pass that they make together."""
    with unnoticed(step.model), torch.no_grad(), step.autocast:
        if math.isfinite(float(step.loss_function(step.model(inputs), targets))):
            return None
    lost = sum(int((~one.isfinite()).sum()) for one in (inputs, targets) if one.is_floating_point())
    what = f"{lost} values of the batch are not finite" if lost else "its loss is not finite, and its batch is"
    return Origin(step=step.count, layer="", op="input" if lost else "forward", backward=False, what=what)


def loss_on(good: LastGood, step: Step, inputs: Tensor, targets: Tensor) -> float:
    """The training loss of a batch on the weights of `good`; the step is left as it is."""
    with unnoticed(step.model), torch.no_grad(), step.autocast:
        good.put_weights(step)
        return float(step.loss_function(step.model(inputs), targets))


def lost_examples(step: Step, examples: Examples, batch: tuple[Tensor, Tensor, Tensor]) -> list[int]:
    """Indices of the examples that are not finite and whose loss, alone, is not finite either.

    Of examples that lie in memory all are looked at, of others those of the `batch` (inputs, targets, indices). What
    is not finite on purpose, such as a gap that the network fills, has a loss.
    """
    inputs, targets, indices = batch
    if isinstance(examples, TensorExamples):
        inputs, targets = examples.inputs, examples.targets
        indices = torch.arange(len(examples), device=inputs.device)
    suspects = (_strange(inputs) | _strange(targets)).nonzero().flatten()
    found = []
    for part in suspects.split(_AT_ONCE):
        losses = _losses(step, inputs[part], targets[part])
        found += [int(indices[place]) for place, loss in zip(part, losses, strict=True) if not math.isfinite(loss)]
    return found


def _losses(step: Step, inputs: Tensor, targets: Tensor) -> list[float]:
    device = step.parameters[0].device
    inputs, targets = inputs.to(device), targets.to(device)
    with unnoticed(step.model), torch.no_grad(), step.autocast:
        step.model.eval()  # or one example would spoil the statistics of the others
        output = step.model(inputs)
        return [float(step.loss_function(output[[row]], targets[[row]])) for row in range(len(inputs))]


def _strange(values: Tensor) -> Tensor:
    if not values.is_floating_point():
        return torch.zeros(len(values), dtype=torch.bool, device=values.device)
    return ~values.isfinite().flatten(1).all(1) if values.dim() > 1 else ~values.isfinite()
