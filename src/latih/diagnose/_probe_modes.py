"""Does the network put out the same in training and in evaluation mode, dropout aside?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from latih.tape import call_model, tensors

from ._check_batch import Batch
from ._check_copy import Stage


def eval_gap(stage: Stage, batch: Batch) -> float | None:
    """Root mean square of the difference of the two outputs over the deviation of that in training mode.

    Norms whose running statistics no batch has entered yet are given those of this batch first: what they hold before
    says nothing. None where the output in training mode is random even without dropout.
    """
    with stage.experiment(), torch.no_grad():
        _settle(stage.model)
        trained, again = _output(stage, batch), _output(stage, batch)
        if trained is None or again is None or trained.numel() < 2:
            return None
        scale = float(trained.std(correction=0))
        if not scale > 0 or float((trained - again).abs().max()) > 1e-3 * scale:
            return None
        stage.model.eval()
        output = _output(stage, batch)
        if output is None or output.shape != trained.shape:
            return None
        gap = float((output - trained).square().mean().sqrt()) / scale
        return gap if gap == gap and gap != float("inf") else None


def _output(stage: Stage, batch: Batch) -> Tensor | None:
    found: Any = [one for one in tensors(call_model(stage.model, batch.fresh()[0])) if one.is_floating_point()]
    return found[0].detach().double() if found else None


def _settle(model: nn.Module) -> None:
    for module in model.modules():
        if "drop" in type(module).__name__.lower():  # dropout of all kinds, and residual branches left out at random
            module.eval()
        elif isinstance(module, _NormBase) and module.training and module.running_mean is not None:
            seen = module.num_batches_tracked
            if seen is None or not int(seen):
                module.momentum = 1.0
