"""Which layer makes a model's output: read from the tape, or checked where the user names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latih._checks import InputError, did_you_mean
from latih.tape import Tape, WeightedLayer, read, split_batch, tensors, unwrap

from ._head_layer import why_not

# what follows these has the width of the head, or is made by another layer too
_BOUND = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "add", "cat", "product", "attention")


def usable(call: str, model: nn.Module) -> nn.Module:
    """The model inside its wrappers; refused where its layers hold no numbers."""
    if not isinstance(model, nn.Module):
        raise InputError(f"{call}(model={type(model).__name__}): the model must be a torch.nn.Module; pass it.")
    model = unwrap(model)
    for name, value in chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(value):
            raise InputError(f"{call}(model=...): {name} has no shape yet; run the model once on a batch first.")
        if value.is_meta:
            raise InputError(
                f"{call}(model=...): {name} is on the meta device and holds no numbers; load the weights first."
            )
    return model


def look(model: nn.Module, batch: Any, loss: Callable[[Any, Any], Tensor] | None = None) -> Tape:
    """`latih.tape.read`, after which a transformers config has not made up its mind.

    Such a model writes the kind of its problem into its config when it first sees labels, and never asks again.
    """
    held: list[Any] = [getattr(module, "config", None) for module in model.modules()]
    configs = [config for config in held if hasattr(config, "problem_type")]
    kinds = [config.problem_type for config in configs]
    try:
        return read(model, batch, loss)
    finally:
        for config, kind in zip(configs, kinds, strict=True):
            config.problem_type = kind


def found(call: str, model: nn.Module, batch: Any) -> str:
    """The path of the one layer that the tape says makes the output."""
    heads = _heads(model, batch)
    labels = list(dict.fromkeys(layer.name or layer.parameter for layer in heads))
    if len(labels) != 1:
        several = f"several layers make the output ({', '.join(map(repr, labels))})"
        raise InputError(
            f"{call}(model={type(model).__name__}): {several if labels else 'no layer is seen to make the output'}; "
            f"name the head, with head={labels[0] if labels else 'path'!r}."
        )
    reason = _bound(heads[0]) or why_not(model, model.get_submodule(heads[0].name))
    if reason:
        raise InputError(
            f"{call}(model={type(model).__name__}): the output is made by {labels[0]!r}, which {reason}; name another "
            "layer with head='path', or add one, as in nn.Sequential(model, nn.Linear(...))."
        )
    return heads[0].name


def named(call: str, model: nn.Module, head: str, batch: Any) -> str:
    """The path of the layer that the user's `head` is, or ends in."""
    modules = dict(model.named_modules(remove_duplicate=False))
    if head not in modules:
        raise InputError(
            f"{call}(head={head!r}): the model has no module of that path"
            f"{did_you_mean(head, modules, '; see model.named_modules().')}"
        )
    path = head if not why_not(model, modules[head]) else _last(call, head, modules[head], model, batch)
    reason = why_not(model, modules[path]) if path else "is the model itself; wrap it, as in nn.Sequential(model)"
    if reason:
        where = f"its last layer {path!r}" if path != head else "it"
        raise InputError(f"{call}(head={head!r}): {where} {reason}; name another layer.")
    return path


def _heads(model: nn.Module, batch: Any) -> list[WeightedLayer]:
    """The layers after which no other comes, on the way to the first output and to any."""
    tapes = [look(model, batch)]
    if tapes[0].output_shape:  # else the output is a loss alone
        # a pooler beside the output is the end of its own way; the first output has its own end
        tapes.insert(0, look(model, (split_batch(batch)[0], torch.zeros(())), _sum_of_first))
    return [layer for tape in tapes for layer in tape.layers if layer.is_head]


def _sum_of_first(output: Any, _: Any) -> Tensor:
    """Of the tensor that counts as the output: the first that weights made and that is no loss."""
    return next(tensor for tensor in tensors(output) if tensor.requires_grad and tensor.dim() > 0).sum()


def _bound(layer: WeightedLayer) -> str:
    """Why the tape's head is none that another width would do."""
    if not layer.name:
        return "belongs to the model itself and not to a layer in it"
    if layer.recurrent or layer.kind not in ("linear", "conv1d", "conv2d", "conv3d"):
        return f"is of kind {layer.kind}{' and used more than once' if layer.shared else ''}"
    if layer.shared:
        return "is used more than once in a pass"
    after = [word for word in layer.between if word in _BOUND]
    if layer.in_residual or after:
        return f"is followed by {after[0] if after else 'a skip connection'}"
    return ""


def _last(call: str, head: str, module: nn.Module, model: nn.Module, batch: Any) -> str:
    """The path of the last layer in a module that is none itself; `head` where nothing is in it."""
    inside = [_joined(head, path) for path in _weighted(module) if path]
    if not inside or "parametrizations" in module._modules:
        return head
    if len(inside) > 1 and batch is not None:
        passed = [layer.name for layer in look(model, batch).layers if layer.name in inside]
        return passed[-1] if passed else head
    # without a batch only a Sequential says which of its parts comes last
    while len(inside) > 1 and isinstance(module, nn.Sequential):
        name = list(_weighted(module))[-1].partition(".")[0]
        module = module.get_submodule(name)
        head = _joined(head, name)
        inside = [_joined(head, path) for path in _weighted(module)]
    if len(inside) > 1:
        raise InputError(
            f"{call}(head={head!r}): it holds several layers ({', '.join(inside)}); name one of them, or pass a batch."
        )
    return inside[0]


def _joined(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)


def _weighted(module: nn.Module) -> Iterator[str]:
    """Paths of the modules that hold a weight matrix."""
    for path, part in module.named_modules():
        if any(value is not None and value.dim() > 1 for value in part._parameters.values()):
            yield path
