"""A model that no process holds as a whole: torch's `fully_shard`, and what does not go with it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from latih._checks import InputError
from latih._recipe import Recipe
from latih._shards import is_sharded
from latih.optim import OptimizerSpec

from ._blocks import blocks
from ._processes import World

if TYPE_CHECKING:
    from ._fit import Parts

_WHOLE = {"Muon": "whole matrices", "Adafactor": "whole matrices", "LBFGS": "all weights at once"}
"""Optimizers whose step for one weight depends on others of the same matrix, which lie in other processes."""
_FEW = 8


def refuse_unshardable(world: World, parts: Parts, recipe: Recipe, optimizer: Any) -> None:
    """Say what keeps `parts` from being trained in shards; `optimizer` is a spec, or a live one."""
    call, model = "train(shard=True)", parts.model
    if world.size == 1:
        raise InputError(
            f"{call}: there is one process, and none to divide the model with; start several with torchrun "
            "--nproc-per-node 2, or leave shard out."
        )
    if isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            f"{call}: a live {type(optimizer).__name__} holds the undivided weights; pass a method of optim, from "
            "which it is built for the shards."
        )
    if (made := optimizer.make.__name__) in _WHOLE:
        raise InputError(
            f"{call}: {optimizer.name} works on {_WHOLE[made]}, of which each process has only rows; take adamw(), or "
            "leave shard out."
        )
    if recipe.compile:
        raise InputError(f"{call}: a compiled model cannot be divided; leave compile or shard out.")
    for name, one in model.named_parameters():
        if one.dim() == 0:
            raise InputError(f"{call}: {name} has no rows to divide; give it the shape (1,), or leave shard out.")
    for name, module in model.named_modules():
        if getattr(module, "sparse", False) is True:
            raise InputError(f"{call}: {name} has sparse gradients, which cannot be divided; build it without sparse.")


def refuse_sharded(model: nn.Module) -> None:
    """Refuse a model that an earlier training has left in shards."""
    if is_sharded(model):
        raise InputError(
            "train(model): it is divided among processes already; build it anew, or load the weights of its run folder."
        )


def shard(world: World, parts: Parts, spec: OptimizerSpec, device: torch.device) -> torch.optim.Optimizer:
    """Divide `parts.model` by rows among all processes, in place, and build the optimizer for what is here.

    All begin with the weights of the first process. Which weights are decayed is decided by the whole model.
    """
    model = parts.model
    batch = next(iter(parts.train.batches(torch.arange(min(_FEW, len(parts.train))), _FEW)))
    apart = blocks(model, batch.inputs.to(device))  # in all processes: some norms wait for each other
    apart = world.once(lambda: apart)
    names = {id(one): name for name, one in model.named_parameters()}
    groups = spec.groups(model, spec.weight_decay)
    with torch.no_grad():
        for one in model.parameters():
            one.data = one.data.contiguous()
    world.share([*model.parameters(), *model.buffers()])
    # torch warns of every view that a part returns; `blocks` has seen that these are not written to
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(device.type, (world.size,))
    try:
        for name in [*apart, ""]:
            # gathered anew for the backward pass: at no other time is anything whole
            fully_shard(model.get_submodule(name), mesh=mesh, reshard_after_forward=True)
    except (ValueError, NotImplementedError, AssertionError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
        raise InputError(f"train(shard=True): torch cannot divide this model ({reason}); leave shard out.") from error
    rows = dict(model.named_parameters())
    return spec([{**group, "params": [rows[names[id(one)]] for one in group["params"]]} for group in groups])
