"""A model with a stage in front or behind, or with one module replaced; and what it then puts out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from latih.tape import call_model, tensors, untouched
from latih.train import LossFunction

from .._optimizer import OptimizerPlan

_PARTS = ("inputs", "net", "outputs")


def wrapped(
    model: nn.Module,
    plan: OptimizerPlan,
    *,
    first: nn.Module | None = None,
    inputs: nn.Module | None = None,
    outputs: nn.Module | None = None,
) -> tuple[nn.Module, OptimizerPlan]:
    """`model` (it is taken, not copied) between new stages, and the optimizer's plan under the new names.

    Where stages stand in front already, `first` comes before them and `inputs` behind; `outputs` is the very last.
    """
    names, parts = named(model), parts_of(model)
    if first is not None:
        parts["inputs"] = _joined(placed(first, model), parts.get("inputs"))
    if inputs is not None:
        parts["inputs"] = _joined(parts.get("inputs"), placed(inputs, model))
    if outputs is not None:
        parts["outputs"] = _joined(parts.get("outputs"), placed(outputs, model))
    whole = _assembled(parts, model.training)
    return whole, plan.renamed(moves(names, whole))


def around_net(
    model: nn.Module, plan: OptimizerPlan, wrap: Callable[[nn.Module], nn.Module]
) -> tuple[nn.Module, OptimizerPlan]:
    """`wrap(net)` in place of the network itself; stages in front and behind stay where they are."""
    names, parts = named(model), parts_of(model)
    net = wrap(parts["net"])
    net.training = model.training
    parts["net"] = net
    changed = net if len(parts) == 1 else _assembled(parts, model.training)
    return changed, plan.renamed(moves(names, changed))


def parts_of(model: nn.Module) -> OrderedDict[str, nn.Module]:
    """The stages "inputs", "net" and "outputs" of a model that has them; else "net" alone."""
    parts = OrderedDict(model.named_children())
    has_stages = type(model) is nn.Sequential and "net" in parts and set(parts) <= set(_PARTS)
    return parts if has_stages else OrderedDict(net=model)


def stages(model: nn.Module, part: str) -> list[nn.Module]:
    """The modules that stand in front ("inputs") or behind ("outputs"), in order."""
    stage = parts_of(model).get(part)
    return [] if stage is None else _each(stage)


def replaced(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` into every place where `old` stands in `model`."""
    new.training = old.training
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child is old:
                parent._modules[name] = new


def placed(module: nn.Module, model: nn.Module) -> nn.Module:
    """`module` on the model's device, in its precision and mode."""
    like = next((one for one in model.parameters() if one.is_floating_point()), torch.empty(0))
    return module.to(device=like.device, dtype=like.dtype).train(model.training)


def named(model: nn.Module) -> dict[int, str]:
    """Parameters by identity, with their names."""
    return {id(parameter): name for name, parameter in model.named_parameters()}


def moves(names: dict[int, str], model: nn.Module) -> dict[str, str]:
    """{old: new} of the parameters that go by another name in `model`."""
    now = {names[id(one)]: name for name, one in model.named_parameters() if id(one) in names}
    return {old: new for old, new in now.items() if old != new}


def module_at(model: nn.Module, path: str) -> tuple[str, nn.Module] | None:
    """The module that was at `path` before stages were put around the model, and where it is now."""
    found = [(name, one) for name, one in model.named_modules() if name == path or (path and name.endswith(f".{path}"))]
    return min(found, key=lambda one: len(one[0]), default=None)


def output_of(model: nn.Module, inputs: Any) -> Tensor | None:
    """What the model puts out, with no trace left on it; None if it fails or puts out no numbers."""
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with suppress(Exception), untouched(list(model.modules()), devices), torch.no_grad():
        return next((one for one in tensors(call_model(model, inputs)) if one.is_floating_point()), None)
    return None


def loss_of(model: nn.Module, loss: LossFunction, batch: tuple[Tensor, Tensor]) -> Tensor | None:
    """The loss of a batch, with no trace left; None if it fails, or is no scalar that depends on the parameters."""
    modules = [*model.modules(), *(loss.modules() if isinstance(loss, nn.Module) else ())]
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with suppress(Exception), untouched(modules, devices), torch.enable_grad():
        value = loss(call_model(model, batch[0]), batch[1])
        return value.detach() if value.numel() == 1 and value.requires_grad else None
    return None


def _joined(first: nn.Module | None, second: nn.Module | None) -> nn.Module:
    inside = [one for part in (first, second) if part is not None for one in _each(part)]
    joined = nn.Sequential(*inside) if len(inside) > 1 else inside[0]
    joined.training = inside[0].training
    return joined


def _each(stage: nn.Module) -> list[nn.Module]:
    return list(stage) if type(stage) is nn.Sequential else [stage]


def _assembled(parts: OrderedDict[str, nn.Module], training: bool) -> nn.Sequential:
    whole = nn.Sequential(OrderedDict((name, parts[name]) for name in _PARTS if name in parts))
    whole.training = training
    return whole
