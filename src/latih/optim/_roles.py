"""What each parameter is for, told by the type of its module: only the weights that multiply a signal are decayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._checks import InputError

Role = Literal["weight", "bias", "norm", "embedding", "other"]
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


class Use(NamedTuple):
    """One parameter of a model: its name, itself, and its role."""

    name: str
    parameter: nn.Parameter
    role: Role


def roles(model: nn.Module) -> list[Use]:
    """Every parameter of `model` once, in the order of definition, with its role.

    Scales, shifts, slopes and look-up rows are not weights: pulling them to 0 shrinks the signal instead of
    simplifying the function. A parameter that several modules share is a weight only if all of its uses say so.
    """
    found: dict[int, Use] = {}
    for use in _uses(model):
        known = found.setdefault(id(use.parameter), use)
        if known.role == "weight":
            found[id(use.parameter)] = known._replace(role=use.role)
    return list(found.values())


def trainable(model: nn.Module) -> list[Use]:
    """The uses of `roles` that have `requires_grad`; `InputError` when there is none."""
    found = [use for use in roles(model) if use.parameter.requires_grad]
    if not found:
        raise InputError(
            f"{type(model).__name__}: the model has no trainable parameter; "
            "unfreeze a layer with layer.requires_grad_(True), or pass a model that has weights."
        )
    return found


def _uses(model: nn.Module) -> Iterator[Use]:
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if is_lazy(parameter):
                raise InputError(
                    f"{type(model).__name__}: {path or 'it'} has no weights before its first batch; "
                    "call the model on one batch, then make the optimizer."
                )
            yield Use(f"{path}.{name}" if path else name, parameter, _role(module, name, parameter))


def _role(module: nn.Module, name: str, parameter: Tensor) -> Role:
    if isinstance(module, _NORMS):
        return "norm"
    if isinstance(module, _EMBEDDINGS):
        return "embedding"
    if isinstance(module, nn.PReLU):
        return "other"
    if "bias" in name:
        return "bias"
    return "weight" if parameter.ndim >= 2 else "other"
