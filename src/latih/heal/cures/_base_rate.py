"""The output layer's bias at which a network that has seen nothing says what the targets are on average."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.tape import WeightedLayer, read
from latih.train import LossFunction

from .._base import Case

_LOGITS = {"classes": ("nll",), "truth": ("binary_cross_entropy", "binary_cross_entropy_with_logits")}
_DISTANCES = ("mse", "huber", "smooth_l1")
_GAIN = 0.05
"""Nats that knowing how frequent classes are is worth, from which it is worth setting."""
_FAR = 0.5
"""Log odds, or deviations of the targets, from which a mean is worth setting."""


@dataclass(frozen=True)
class BaseRate:
    """What to set."""

    layer: str
    """Path of the output layer."""
    bias: Tensor
    text: str
    code: str
    """An expression of the targets `y` that gives the bias."""


def base_rate(model: nn.Module, case: Case, loss: LossFunction) -> BaseRate | None:
    """Of the model's one output layer; None where the loss or the way to it leave no simple best constant.

    Targets must be compared as the layer puts them out: not behind a scaling, nor with weighted classes.
    """
    record = case.findings.record
    if record is not None and record.loss.weighted:
        return None
    with suppress(InputError):
        tape = read(model, case.batch, loss)
        heads = [layer for layer in tape.layers if layer.is_head]
        if len(heads) == 1 and heads[0].bias is not None and set(heads[0].between) <= {"view", "dropout"}:
            return _found(heads[0], case, set(tape.loss_ops))
    return None


def _found(head: WeightedLayer, case: Case, ops: set[str]) -> BaseRate | None:
    assert head.bias is not None
    width = head.bias.numel()
    if not bool(case.targets.isfinite().all()):
        return None
    if case.task == "classes" and ops.intersection(_LOGITS["classes"]) and head.feeds.name in ("none", "log_softmax"):
        return _classes(head, case.targets, width)
    if case.task == "truth" and ops.intersection(_LOGITS["truth"]):
        if ("binary_cross_entropy" in ops) == (head.feeds.name == "sigmoid"):
            return _truth(head, _columns(case.targets, head, width))
        return None
    by_hand = "sub" in ops and ops.intersection(("abs", "pow")) and ops.isdisjoint(("log", "log1p", "exp"))
    if case.task == "values" and (ops.intersection(_DISTANCES) or by_hand) and head.feeds.name == "none":
        return _values(head, _columns(case.targets, head, width), absolute="abs" in ops)
    return None


def _columns(targets: Tensor, head: WeightedLayer, width: int) -> Tensor | None:
    """(values, width), the outputs' features last; None where they do not agree."""
    shaped = targets.unsqueeze(-1) if targets.dim() == 1 else targets
    if head.kind.startswith("conv") and shaped.dim() > 2:
        shaped = shaped.movedim(1, -1)
    return shaped.reshape(-1, width).double() if shaped.shape[-1] == width else None


def _classes(head: WeightedLayer, targets: Tensor, width: int) -> BaseRate | None:
    seen = targets.flatten().long()
    seen = seen[seen >= 0]  # ignored ones are negative
    if width < 2 or not len(seen) or int(seen.max()) >= width:
        return None
    shares = (torch.bincount(seen, minlength=width) + 1.0) / (len(seen) + width)
    bias = shares.double().log()
    if float((shares.double() * (bias + torch.tensor(float(width)).log())).sum()) < _GAIN:
        return None
    rare = f"log frequencies, the rarest class being {float(shares.min()):.2g}"
    code = f"torch.log((torch.bincount(y.flatten(), minlength={width}) + 1.0) / (y.numel() + {width}))"
    return BaseRate(head.name, bias, rare, code)


def _truth(head: WeightedLayer, columns: Tensor | None) -> BaseRate | None:
    if columns is None or not 0 <= float(columns.min()) <= float(columns.max()) <= 1:
        return None
    bias = torch.logit((columns.sum(0) + 1) / (len(columns) + 2))
    if float(bias.abs().max()) < _FAR:
        return None
    code = f"torch.logit((y.reshape(-1, {len(bias)}).float().sum(0) + 1) / (y.numel() / {len(bias)} + 2))"
    return BaseRate(head.name, bias, f"log odds, {_listed(bias)}", code)


def _values(head: WeightedLayer, columns: Tensor | None, *, absolute: bool) -> BaseRate | None:
    if columns is None:
        return None
    bias = columns.median(0).values if absolute else columns.mean(0)
    if not bool((bias.abs() > _FAR * columns.std(0, correction=0)).any()):
        return None
    taken = "median(0).values" if absolute else "mean(0)"
    code = f"y.reshape(-1, {len(bias)}).float().{taken}"
    return BaseRate(head.name, bias, f"{'medians' if absolute else 'means'} of the targets, {_listed(bias)}", code)


def _listed(values: Tensor) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values[:3].tolist())
    return shown + (", ..." if len(values) > 3 else "")
