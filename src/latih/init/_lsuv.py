"""Layer-sequential unit variance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import at_least, positive
from latih.tape import read, unwrap

from ._fill import fill, fill_bias, generators
from ._keep import kept
from ._measure import adjusted, spread
from ._orthogonal import orthogonal
from ._plan import Plan, one_rule
from ._table import InitRow, InitTable

_LAYERS = ("linear", "conv")


def lsuv(
    model: nn.Module, batch: Any, tolerance: float = 0.05, steps: int = 10, *, seed: int | None = None
) -> InitTable:
    """Start from orthogonal weights and rescale layer after layer until each output has variance 1 on the batch.

    For every Linear and Conv layer in forward order: W ← W / sqrt(Var[output]), at most `steps` times, until
    |Var - 1| < `tolerance`. Biases start at 0. All of it happens within one forward pass, each layer being repeated
    before its output goes on. The table's rows tell the factor; its notes name the layers that did not get there:
    shared ones, those whose output is constant, and those that `initialize` too would protect or leave alone.

    Use it where no rule is known: odd activations, mixed architectures. It hurts where the batch is small or not
    standardised, for the weights then fit that batch; in residual branches, which it makes as large as the stream; and
    the head's logits get variance 1 like everything else.

    Source: Mishkin & Matas (2016), algorithm 1 (`tolerance` is its Tol_var, `steps` its T_max). Raises `InputError`
    where `read` of `latih.tape` does, and for a tolerance that is not above 0 or steps below 1.

    >>> net = nn.Sequential(nn.Linear(8, 32), nn.Sigmoid(), nn.Linear(32, 4))
    >>> batch = torch.randn(64, 8)
    >>> table = lsuv(net, batch)
    >>> abs(net(batch).var(correction=0).item() - 1) < 0.05
    True
    """
    positive("lsuv", "tolerance", tolerance)
    at_least("lsuv", "steps", steps, 1)
    tape = read(model, batch)
    model = unwrap(model)
    protected, generator = kept(model, (), force=False), generators(seed)
    plans = [plan for plan in one_rule(tape, orthogonal()) if plan.layer.kind.startswith(_LAYERS)]
    before = [_std(plan.layer.weight) for plan in plans]
    for plan in plans:
        _prepare(plan, protected, generator(plan.layer.weight.device))
    unit = _UnitVariance([plan for plan in plans if plan.initializer is not None], tolerance, steps)
    adjusted(model, batch, [plan.layer.weight for plan in unit.plans.values()], unit)
    rows, notes = [], []
    for plan, std in zip(plans, before, strict=True):
        reached = unit.reached.get(id(plan.layer.weight))
        factor = reached.factor if reached else 1.0
        with torch.no_grad():
            plan.layer.weight.mul_(factor)
        why = plan.why or _missed(reached, tolerance)
        if why:
            notes.append(f"Not reached: {plan.label}: {why}.")
        rows.append(InitRow(plan.label, plan.layer.feeds, plan.rule, std, _std(plan.layer.weight), factor, why))
    return InitTable(rows, notes)


def _prepare(plan: Plan, protected: dict[int, str], generator: torch.Generator | None) -> None:
    if id(plan.layer.weight) in protected:
        plan.initializer, plan.why = None, protected[id(plan.layer.weight)]
    elif "parametrizations." in plan.layer.parameter:
        plan.initializer, plan.why = None, "computed by a parametrization"
    else:
        fill(plan, generator)
        if plan.layer.bias is not None and id(plan.layer.bias) not in protected:
            fill_bias(plan.layer)


@dataclass(frozen=True)
class _Reached:
    factor: float
    variance: float
    shared: bool = False


class _UnitVariance:
    def __init__(self, plans: list[Plan], tolerance: float, steps: int) -> None:
        self.plans = {id(plan.layer.weight): plan for plan in plans}
        self.tolerance, self.steps = tolerance, steps
        self.reached: dict[int, _Reached] = {}

    def __call__(self, weight: nn.Parameter, product: Callable[[], Tensor]) -> Tensor:
        signal, key = product(), id(weight)
        if key in self.reached:  # a second use of a shared weight sees what the first one settled
            return signal
        factor, variance = 1.0, spread(signal)
        for _ in range(self.steps):
            if abs(variance - 1) < self.tolerance or not (variance > 0 and math.isfinite(variance)):
                break
            step = variance**-0.5
            weight.mul_(step)
            factor, signal = factor * step, product()
            variance = spread(signal)
        self.reached[key] = _Reached(factor, variance, self.plans[key].layer.shared)
        return signal


def _missed(reached: _Reached | None, tolerance: float) -> str:
    if reached is None:
        return "its product was not seen"
    if reached.shared:
        return "its weight is used more than once, and fits the first use"
    return "" if abs(reached.variance - 1) < tolerance else f"its output has variance {reached.variance:.3g}"


def _std(weight: Tensor) -> float:
    return weight.detach().double().std(correction=0).item()
