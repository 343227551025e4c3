"""Less weight decay where it wins against the loss, more where the network learns by heart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from .._optimizer import OptimizerPlan

_ADAMS = {"adam": "adamw", "adamw": "adamw", "nadam": "adamw", "adamax": "adamw", "rmsprop": "adamw"}
_DECOUPLED, _COUPLED = (0.05, 0.2), (1e-3, 1e-2)
"""Decay of AdamW (times the rate, a step); of methods in which it passes through the gradient."""


def weight_decay(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Changes how hard weights are pulled to zero: less where that outweighs the loss, more against learning by heart.

    When over-regularised: a hundredth of the decay, then none. When overfitting: 0.05 or 0.2, decoupled from Adam's
    scaling (in Adam itself decay is divided by the gradient's size, so it hardly acts on the weights that move most);
    0.001 or 0.01 for SGD. It hurts on short trainings, where it only slows. Norms and biases are not decayed where
    latih makes the optimizer. Source: Krogh & Hertz (1992); Loshchilov & Hutter (2019) for the decoupling.
    """
    now = training.optimizer.weight_decay
    plans = _less(training.optimizer) if finding.name == "over-regularised" else _more(training.optimizer)
    for plan in plans:
        text = f"weight decay: {now:g} -> {plan.weight_decay:g}"
        if plan.name != training.optimizer.name:
            text = f"{training.optimizer.name} -> {plan.name}, {text}"
        yield training.edited(Edit("weight_decay", text, _code(plan), _fields(training, plan)), optimizer=plan)


def _less(plan: OptimizerPlan) -> Iterator[OptimizerPlan]:
    now = max([plan.weight_decay, *(group.settings.get("weight_decay", 0.0) for group in plan.groups)])
    if now > 0:
        yield plan.with_weight_decay(min(now / 100, 1e-2))
        yield plan.with_weight_decay(0.0)


def _more(plan: OptimizerPlan) -> Iterator[OptimizerPlan]:
    decoupled = plan.name in _ADAMS
    for decay in _DECOUPLED if decoupled else _COUPLED:
        if plan.weight_decay >= decay and (plan.name == "adamw" or not decoupled):
            continue
        if decoupled and plan.name != "adamw":
            yield plan.with_method(f"adamw(lr={plan.lr!r}, weight_decay={decay})")
        elif plan.spec is not None or plan.weight_decay:
            yield plan.with_weight_decay(decay)
        elif plan.name == "sgd":
            yield _of_sgd(plan, decay)


def _of_sgd(plan: OptimizerPlan, decay: float) -> OptimizerPlan:
    """Notation keeps decay from norms and biases, which a live optimizer's groups do not tell apart."""
    settings = max(plan.groups, key=lambda group: len(group.names)).settings
    momentum = float(settings.get("momentum", 0.0))
    if not momentum:
        return plan.with_method(f"sgd(lr={plan.lr!r}, weight_decay={decay})")
    method = "nag" if settings.get("nesterov") else "momentum"
    return plan.with_method(f"{method}(lr={plan.lr!r}, momentum={momentum!r}, weight_decay={decay})")


def _fields(training: Training, plan: OptimizerPlan) -> dict[str, Any]:
    if plan.spec is None:
        return {}
    named = {} if training.optimizer.spec is not None and plan.name == training.optimizer.name else _method(plan)
    return named | ({} if training.recipe.weight_decay is None and named else {"weight_decay": plan.weight_decay})


def _method(plan: OptimizerPlan) -> dict[str, Any]:
    return {"optimizer": plan.text, "lr": plan.lr}


def _code(plan: OptimizerPlan) -> str:
    if plan.spec is not None:
        return f"optimizer = latih.optim.{plan.spec.text}(model)"
    return f'for group in optimizer.param_groups:\n    group["weight_decay"] = {plan.weight_decay:g}'


CURE = Cure("weight_decay", weight_decay)
