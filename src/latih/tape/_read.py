"""Run one recorded forward pass and read from its graph what the model is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.utils import parametrize

from latih._checks import InputError

from ._base import Tape
from ._calls import Calls
from ._errors import check_model, loss_failed, model_failed
from ._graph import Leaves, ancestors, reached, read_ops
from ._layers import read_layers, read_loss
from ._untouched import no_collection, recording, untouched
from ._unwrap import call_model, mapped, modules_of, own_loss, split_batch, tensors, unwrap


def read(model: nn.Module, batch: Any, loss: Callable[[Any, Any], Tensor] | None = None) -> Tape:
    """Read a model's structure from what autograd recorded of one batch.

    Takes one forward pass in training mode and no backward pass. The model (parameters, buffers, gradients, modes) and
    the random generators are left bit-identical, and the batch is never written to. Frozen parameters are read
    like the rest.

    Args:
        model: any module; `torch.compile`, `DataParallel` and DDP are looked through.
        batch: `(inputs, targets)`, or inputs alone: a tensor, a dict for `model(**inputs)`. Inside the pair, inputs may
            be a tensor, a tuple or list for `model(*inputs)`, or a dict.
        loss: `loss(output, targets)` -> scalar. Without one, the tape starts at the `.loss` that the model
            computed itself if there is one, else at every tensor of the output.

    Raises `InputError` where the model fails on the batch, nothing can be learned, or the loss is not a scalar.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 3))
    >>> tape = read(net, (torch.randn(4, 8), torch.tensor([0, 1, 2, 0])), nn.functional.cross_entropy)
    >>> print(tape.table())
    layer  kind    fan in > out  between  feeds
    0      linear  8 > 16        -        leaky_relu(negative_slope=0.2)
    2      linear  16 > 3        -        none
    >>> tape.loss_ops
    ['log_softmax', 'nll', 'mean']
    """
    if not isinstance(model, nn.Module):
        raise InputError(
            f"read(model={type(model).__name__}): the model must be a torch.nn.Module; pass the module itself."
        )
    model = unwrap(model)
    check_model(model)
    inputs, targets = split_batch(batch)
    if loss is not None and targets is None:
        raise InputError("read(loss=...): a loss needs targets; pass batch=(inputs, targets), or leave the loss out.")
    with no_collection():
        return _tape(model, inputs, targets, loss)


def _tape(model: nn.Module, inputs: Any, targets: Any, loss: Callable[[Any, Any], Tensor] | None) -> Tape:
    modules = [*modules_of(model), *modules_of(loss)]
    held = [*model.parameters(), *model.buffers(), *tensors(inputs), *tensors(targets)]
    devices = {tensor.device for tensor in held}
    if any(tensor.is_floating_point() for tensor in tensors(inputs)):
        # A tracked input shows skips that start there. A model may refuse one (x.numpy()); then it is read without.
        with suppress(InputError), untouched(modules, devices):
            return _recorded(model, inputs, targets, loss, track=True)
    with untouched(modules, devices):
        return _recorded(model, inputs, targets, loss, track=False)


def _recorded(
    model: nn.Module, inputs: Any, targets: Any, loss: Callable[[Any, Any], Tensor] | None, *, track: bool
) -> Tape:
    calls = Calls()
    with recording(), parametrize.cached(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user's own run says them
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        model.train()
        leaves: list[Tensor] = []
        fed = mapped(inputs, lambda tensor: _stand_in(tensor, leaves, track))
        with calls:
            try:
                output = call_model(model, fed)
            except Exception as error:
                raise model_failed(model, inputs, error) from error
            total = _loss(output, targets, loss)
        results = [tensor for tensor in tensors(output) if tensor is not total]
        roots = _roots(total, results)
        parameters = dict(model.named_parameters())
        known = Leaves({id(p): name for name, p in parameters.items()}, set(map(id, leaves)), _parametrized(model))
        seen = reached(ancestors(roots), known.names)
        if not seen:
            raise InputError(
                f"read(model={type(model).__name__}): {'the loss' if total is not None else 'the output'} does not "
                "depend on any parameter; remove the detach() or no_grad() between them."
            )
        ops = read_ops(roots, ancestors(_nodes(results) or roots), known, calls)
        shapes = [tuple(tensor.shape) for tensor in results if tensor.is_floating_point() or tensor.is_complex()]
        return Tape(
            read_layers(ops, parameters, calls),
            [name for name in parameters if name not in seen],
            read_loss(ops),
            shapes[0] if shapes else (),
        )


def _stand_in(tensor: Tensor, leaves: list[Tensor], track: bool) -> Tensor:
    """A copy to feed in place of `tensor`, so that a model may overwrite its input."""
    if not (track and tensor.is_floating_point()):
        return tensor.detach().clone()
    leaves.append(tensor.detach().clone().requires_grad_())
    return leaves[-1].view_as(leaves[-1]).clone()


def _loss(output: Any, targets: Any, loss: Callable[[Any, Any], Tensor] | None) -> Tensor | None:
    if loss is None:
        return own_loss(output)
    try:
        total = loss(output, mapped(targets, lambda tensor: tensor.detach().clone()))
    except Exception as error:
        raise loss_failed(output, targets, error) from error
    if not isinstance(total, Tensor) or total.numel() != 1:
        what = f"a tensor of shape {tuple(total.shape)}" if isinstance(total, Tensor) else type(total).__name__
        raise InputError(
            f"read(loss=...): the loss must be a scalar tensor and is {what}; reduce it, with .mean() for one."
        )
    return total


def _roots(total: Tensor | None, results: list[Tensor]) -> list[Any]:
    if total is None and not results:
        raise InputError(
            "read(model=...): the model's output holds no tensor; pass a loss that turns it into a scalar."
        )
    return _nodes([total] if total is not None else results)


def _nodes(found: list[Tensor]) -> list[Any]:
    return [get_gradient_edge(tensor).node for tensor in found if tensor.requires_grad]


def _parametrized(model: nn.Module) -> dict[Any, tuple[str, ...]]:
    """The nodes that yielded the parametrized tensors (cached since the forward pass), with their originals' names."""
    found: dict[Any, tuple[str, ...]] = {}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module):
            for name, chain in module.parametrizations.items():  # type: ignore[union-attr, operator]
                prefix = f"{path}.parametrizations.{name}." if path else f"parametrizations.{name}."
                originals = tuple(prefix + key for key in chain._parameters if key.startswith("original"))
                node = getattr(module, name).grad_fn
                if node is not None:
                    found[node] = originals
    return found
