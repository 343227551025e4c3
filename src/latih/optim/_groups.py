"""Parameter groups by role: which parameters are decayed, and which layers take smaller steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, get_args

from torch import Tensor, nn

from latih._checks import InputError, at_least, positive, within

from ._blocks import Blocks
from ._roles import Role, Use, trainable

Groups = list[dict[str, Any]]


def decay_groups(model: nn.Module, weight_decay: float) -> Groups:
    """`model`'s trainable parameters as torch parameter groups, each parameter once: decayed, and not decayed.

    Decayed are the weights of linear, convolutional, recurrent and attention layers, and any other parameter with
    two dimensions or more. Never decayed are biases, the parameters of every norm, embeddings, PReLU's slopes
    and parameters with fewer than two dimensions. A parameter that several modules share is decayed only if none of
    its roles forbids it. With `weight_decay=0` there is one group: fewer groups are fewer kernel calls.

    Raises `InputError` when nothing is trainable, or a lazy module has not seen its first batch.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    >>> [(group["name"], len(group["params"]), group["weight_decay"]) for group in decay_groups(model, 0.01)]
    [('decayed', 2, 0.01), ('spared', 4, 0.0)]
    """
    if weight_decay == 0:
        return [_group("all", trainable(model), 0.0)]
    parted = _parted(trainable(model), lambda use: use.role == "weight")
    named = {True: ("decayed", weight_decay), False: ("spared", 0.0)}
    return [_group(name, parted[key], decay) for key, (name, decay) in named.items() if key in parted]


def groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
    head_scale: float = 1.0,
    blocks: Sequence[nn.Module] | None = None,
) -> Groups:
    """`model`'s trainable parameters as one torch group a role, and on request a rate for each layer.

    The roles are weight, bias, norm, embedding and other (PReLU's slopes, free vectors); only weights are decayed. Each
    group has its `name`, `role`, `lr` and `weight_decay`; `table` shows them, a spec or a torch optimizer takes them.

    With `layer_decay` below 1 the groups are parted by layer too: the blocks are numbered 0 ... depth from the first to
    the last, and block k gets the rate lr · layer_decay^(depth − k). The last block is the head; its rate is lr ·
    `head_scale`. Frozen blocks keep their numbers, so unfreezing changes no other layer's rate.

    Blocks are the top-level modules in the order of definition; plain containers (Sequential, ModuleList, ModuleDict)
    are opened, and so is a module that is all that its parent has. What has no weight of its own, such as a norm, goes
    with the block before it; parameters of the model itself, such as position embeddings, with the first. Where the
    order of definition misleads, or the blocks lie deeper, name them: `blocks=[*bert.encoder.layer, classifier]`;
    what is in none of them goes with the one defined before it.

    Args:
        lr: base learning rate, that of the last block.
        weight_decay: of the groups with role weight.
        layer_decay: in (0, 1]; 0.65 to 0.9 are usual in fine-tuning, the lower the smaller the data.
        head_scale: a fresh head may take larger steps than the layers that it stands on.
        blocks: modules of `model` from its input to its output.

    Source of layer-wise decay: Howard and Ruder, 2018, "Universal language model fine-tuning for text classification"
    (discriminative fine-tuning).

    Raises `InputError` for numbers out of range, a block that is not in the model, or nothing trainable.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    >>> for group in groups(model, lr=0.1, weight_decay=0.01, layer_decay=0.5):
    ...     print(group["name"], group["lr"], group["weight_decay"])
    0: weight 0.05 0.01
    0: bias 0.05 0.0
    0: norm 0.05 0.0
    3: weight 0.1 0.01
    3: bias 0.1 0.0
    """
    positive("groups", "lr", lr)
    at_least("groups", "weight_decay", weight_decay, 0.0)
    positive("groups", "layer_decay", layer_decay, "1 gives every layer the same rate")
    within("groups", "layer_decay", layer_decay, 0.0, 1.0, "1 gives every layer the same rate")
    positive("groups", "head_scale", head_scale)
    found, layers = trainable(model), Blocks.of(model, blocks)

    def section(use: Use) -> str:
        if layer_decay != 1:
            return layers.name(use.parameter)
        return "" if head_scale == 1 else "head" if layers.height(use.parameter) == 0 else "body"

    made = []
    for (part, role), uses in _parted(found, lambda use: (section(use), use.role)).items():
        height = layers.height(uses[0].parameter)
        rate = lr * layer_decay**height * (head_scale if height == 0 else 1.0)
        name = f"{part}: {role}" if part else role
        made.append({**_group(name, uses, weight_decay if role == "weight" else 0.0), "lr": rate})
    return made


def bare_group(call: str, parameters: Iterable[Any], weight_decay: float) -> Groups:
    """Bare `parameters` as the one group they are (their roles are unknown), or groups as they were made."""
    way_out = "pass the model, or list(model.parameters())"
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise InputError(f"{call}()({type(parameters).__name__}): expected a model or a list of parameters; {way_out}.")
    parameters = list(parameters)
    if parameters and all(isinstance(entry, dict) and "params" in entry for entry in parameters):
        # a generator is read once, and the caller's own groups stay as they are
        return [{"weight_decay": weight_decay, **group, "params": list(group["params"])} for group in parameters]
    for parameter in parameters:
        if not isinstance(parameter, Tensor):
            raise InputError(f"{call}()([{type(parameter).__name__}, ...]): every entry must be a tensor; {way_out}.")
    if not parameters:
        raise InputError(f"{call}()([]): there are no parameters to train (a generator is empty once read); {way_out}.")
    return [{"params": parameters, "weight_decay": weight_decay}]


def _parted(uses: Iterable[Use], key: Callable[[Use], Hashable]) -> dict[Any, list[Use]]:
    parts: dict[Any, list[Use]] = {}
    for use in uses:
        parts.setdefault(key(use), []).append(use)
    return parts


def _group(name: str, uses: list[Use], weight_decay: float) -> dict[str, Any]:
    held = {use.role for use in uses}
    role = ", ".join(role for role in get_args(Role) if role in held)
    return {"params": [use.parameter for use in uses], "weight_decay": weight_decay, "name": name, "role": role}
