"""Batch norm in the mode, and with the statistics, that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from latih.diagnose import Finding
from latih.tape import call_model, untouched

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._following import Moded, features_of_calls, follow
from ._wrapping import around_net, placed

_MOMENTUM = 0.1
_SLOW, _FAST = 1e-3, 0.9


def train_mode(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Lets batch norm use the batch's statistics in training, and running ones that it has learned in evaluation.

    A norm that `forward`, or a `train` of the model's own, puts in evaluation mode follows the model's mode instead;
    one that keeps no running statistics keeps them; a momentum at which they never move, or are those of the last
    batch, becomes 0.1; calls of F.batch_norm get the model's mode. What `model.train()` before every epoch mends needs
    no other model: then the edit says so.

    When: the finding norm-wrong-mode. It hurts where statistics are pinned on purpose, as in fine-tuning; those are
    left alone. Source: Ioffe & Szegedy (2015), algorithm 2.
    """
    if finding.evidence.get("answers in evaluation mode change with their batch"):
        yield from _functional(training, case)
        return
    model, loss = copied(training)
    texts, code = [], []
    modules = dict(model.named_modules())
    if held := _let_go(model):
        texts.append(f"{_few(held)}: train() puts it in training mode")
        code.append("# remove the train() that calls .eval(), or let it do what it is asked")
    fixed = _in_evaluation(model, case)
    followed = [path for path in fixed if _untouched(modules[path]) and follow(modules[path], model)]
    if followed:
        texts.append(f"{_few(followed)}: in the mode of the model, whatever forward asks for")
        code.append("# in forward (or train()): remove the line that calls .eval() on batch norms")
    tracking = [path for path, one in modules.items() if _track(one)]
    if tracking:
        texts.append(f"{_few(tracking)}: running statistics are kept")
        code.append("# nn.BatchNorm1d(n): track_running_stats=True is the default")
    slow = [path for path, one in modules.items() if _usual_momentum(one)]
    if slow:
        texts.append(f"{_few(slow)}: momentum -> {_MOMENTUM:g}")
        code.append(
            "for module in model.modules():\n    if isinstance(module, nn.modules.batchnorm._BatchNorm):\n"
            f"        module.momentum = {_MOMENTUM:g}"
        )
    if texts:
        yield training.edited(Edit("train_mode", "; ".join(texts), "\n".join(code)), model=model, loss=loss)
    elif finding.evidence.get("mode") == "evaluation":
        text = "the model is put in training mode before every epoch"
        line = "model.train()  # before every epoch; model.eval() only around validation"
        yield training.edited(Edit("train_mode", text, line))


def _functional(training: Training, case: Case) -> Iterator[Training]:
    if any(isinstance(one, Moded) for one in training.model.modules()):
        return
    model, loss = copied(training)
    features: list[int] = []
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with suppress(Exception), untouched(list(model.modules()), devices), torch.no_grad():
        features = features_of_calls(model, case.batch[0])
    if not features:
        return
    model, plan = around_net(model, training.optimizer, lambda net: placed(Moded(net, features), net))
    text = f"{len(features)} calls of F.batch_norm use the batch's statistics in training mode only"
    code = "# in forward: x = F.batch_norm(x, self.mean, self.variance, ..., training=self.training)"
    yield training.edited(Edit("train_mode", text, code), model=model, loss=loss, optimizer=plan)


def _let_go(model: nn.Module) -> list[str]:
    """Give modules whose own `train` leaves fresh norms in evaluation mode torch's; their paths."""
    with untouched(list(model.modules()), set()):
        model.train()
        left = {id(one) for one in model.modules() if isinstance(one, _NormBase) and not one.training}
    owners = [
        (path, owner)
        for path, owner in model.named_modules()
        if type(owner).train is not nn.Module.train
        and (norms := [one for one in owner.modules() if id(one) in left])
        and all(map(_untouched, norms))
    ]
    for _, owner in owners:
        vars(owner)["train"] = MethodType(nn.Module.train, owner)
    return [path for path, _ in owners]


def _in_evaluation(model: nn.Module, case: Case) -> list[str]:
    """Norms that are in evaluation mode after a forward pass, though the whole was put in training mode."""
    norms = {path: one for path, one in model.named_modules() if isinstance(one, _NormBase)}
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    found: list[str] = []
    with suppress(Exception), untouched(list(model.modules()), devices), torch.no_grad():
        model.train()
        call_model(model, case.batch[0])
        found = [path for path, one in norms.items() if not one.training]
    return found


def _untouched(norm: nn.Module) -> bool:
    """Running statistics are those of a new module: nobody pinned learned ones."""
    mean: Any = getattr(norm, "running_mean", None)
    variance: Any = getattr(norm, "running_var", None)
    return mean is None or (bool((mean == 0).all()) and bool((variance == 1).all()))


def _track(norm: nn.Module) -> bool:
    if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or norm.running_mean is not None:
        return False
    like = next(iter(norm.parameters()), torch.empty(0))
    norm.track_running_stats = True
    norm.running_mean = torch.zeros(norm.num_features, device=like.device, dtype=like.dtype)
    norm.running_var = torch.ones(norm.num_features, device=like.device, dtype=like.dtype)
    norm.num_batches_tracked = torch.tensor(0, device=like.device)
    return True


def _usual_momentum(norm: nn.Module) -> bool:
    if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or norm.momentum is None or not norm.track_running_stats:
        return False
    if _SLOW < norm.momentum < _FAST:
        return False
    norm.momentum = _MOMENTUM
    return True


def _few(paths: list[str]) -> str:
    return ", ".join(path or "the model" for path in paths[:4]) + (", ..." if len(paths) > 4 else "")


CURE = Cure("train_mode", train_mode, corrects=True)
