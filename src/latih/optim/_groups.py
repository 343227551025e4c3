"""Which parameters weight decay is for: the weights that multiply a signal, told by the role of their module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._checks import InputError

# scales, shifts, slopes and look-up rows: pulling them to 0 shrinks the signal instead of simplifying the function
_UNDECAYED = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag, nn.PReLU)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """`model`'s trainable parameters as torch parameter groups, each parameter once: decayed, and not decayed.

    Decayed are the weights of linear, convolutional, recurrent and attention layers, and any other parameter with
    two dimensions or more. Never decayed are biases, the parameters of every norm, embeddings, PReLU's slopes
    and parameters with fewer than two dimensions. A parameter that several modules share is decayed only if none of
    its roles forbids it. With `weight_decay=0` there is one group: fewer groups are fewer kernel calls.

    Raises `InputError` when nothing is trainable, or a lazy module has not seen its first batch.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    >>> [(len(group["params"]), group["weight_decay"]) for group in decay_groups(model, 0.01)]
    [(2, 0.01), (4, 0.0)]
    """
    found = [(parameter, spared) for parameter, spared in roles(model) if parameter.requires_grad]
    if not found:
        raise InputError(
            f"{type(model).__name__}: the model has no trainable parameter; "
            "unfreeze a layer with layer.requires_grad_(True), or pass a model that has weights."
        )
    if weight_decay == 0:
        return [{"params": [parameter for parameter, _ in found], "weight_decay": 0.0}]
    decayed = [parameter for parameter, spared in found if not spared]
    spared = [parameter for parameter, spared in found if spared]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def roles(model: nn.Module) -> list[tuple[nn.Parameter, bool]]:
    """Every parameter of `model` once, in order, and whether one of its roles spares it from decay."""
    parameters: dict[int, nn.Parameter] = {}
    spared: dict[int, bool] = {}
    for module, name, parameter in _uses(model):
        parameters[id(parameter)] = parameter
        spared[id(parameter)] = spared.get(id(parameter), False) or _is_spared(module, name, parameter)
    return [(parameter, spared[key]) for key, parameter in parameters.items()]


def bare_group(call: str, parameters: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Bare `parameters` as the one group they are: without their modules nothing is known of their roles."""
    way_out = "pass the model, or list(model.parameters())"
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise InputError(f"{call}()({type(parameters).__name__}): expected a model or a list of parameters; {way_out}.")
    parameters = list(parameters)
    for parameter in parameters:
        if not isinstance(parameter, Tensor):
            raise InputError(f"{call}()([{type(parameter).__name__}, ...]): every entry must be a tensor; {way_out}.")
    if not parameters:
        raise InputError(f"{call}()([]): there are no parameters to train (a generator is empty once read); {way_out}.")
    return [{"params": parameters, "weight_decay": weight_decay}]


def _uses(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if is_lazy(parameter):
                raise InputError(
                    f"{type(model).__name__}: {path or 'it'} has no weights before its first batch; "
                    "call the model on one batch, then make the optimizer."
                )
            yield module, name, parameter


def _is_spared(module: nn.Module, name: str, parameter: Tensor) -> bool:
    return isinstance(module, _UNDECAYED) or parameter.ndim < 2 or "bias" in name
