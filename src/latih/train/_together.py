"""A model whose gradient is the mean over processes: torch's DistributedDataParallel, and what it needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from latih._checks import InputError
from latih.norm import is_pinned
from latih.watch import unnoticed

from ._callbacks import Callback
from ._parts import smallest_part
from ._processes import World

if TYPE_CHECKING:
    from ._fit import Parts
    from ._trainer import Trainer


class Notice(Callback):
    """Say one line when training begins."""

    def __init__(self, line: str) -> None:
        self.line = line

    def on_fit_start(self, trainer: Trainer) -> None:
        """Say it."""
        trainer.say(self.line)


def together(world: World, parts: Parts, batch_size: int, device: torch.device) -> nn.Module:
    """What runs the forward pass of `parts.model` so that backward gives the mean gradient of all processes.

    The weights stay those of the model, which all processes begin with as the first one has them.
    """
    refuse_apart(world, parts, batch_size, device)
    unused = world.any(_leaves_unused(parts, device))
    return DistributedDataParallel(parts.model, find_unused_parameters=unused)


def refuse_apart(world: World, parts: Parts, batch_size: int, device: torch.device) -> None:
    """Refuse what several processes cannot train, be the model in each of them or divided among them."""
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"several processes train on cpu or cuda, not on {device.type}; pass --device cpu.")
    if smallest_part(world, len(parts.train), batch_size) == 1:
        _refuse_single(world, parts, device)


def shared_norms(world: World, model: nn.Module, device: torch.device) -> list[Callback]:
    """On CUDA let batch norms take their statistics from all processes; elsewhere return what says that they do not."""
    norms = [(name, one) for name, one in model.named_modules() if isinstance(one, _BatchNorm) and not is_pinned(one)]
    apart = [(name, one) for name, one in norms if not isinstance(one, nn.SyncBatchNorm)]
    if world.size == 1 or not apart:
        return []
    if device.type != "cuda":
        return [Notice(f"batch norm: each of the {world.size} processes normalises by its own part of a batch")]
    for name, norm in apart:
        home, _, last = name.rpartition(".")
        setattr(model.get_submodule(home), last, nn.SyncBatchNorm.convert_sync_batchnorm(norm))
    return []


def _refuse_single(world: World, parts: Parts, device: torch.device) -> None:
    """Refuse norms that take no single example where a process would be left with one."""
    model, before = parts.model, parts.model.training
    synchronised = any(isinstance(one, nn.SyncBatchNorm) for one in model.modules())
    if synchronised or not any(isinstance(one, _BatchNorm) for one in model.modules()):
        return
    batch = next(iter(parts.train.batches(torch.arange(1), 1)))
    try:
        with unnoticed(model), torch.no_grad():
            model.train()
            model(batch.inputs.to(device))
    except ValueError as error:
        raise InputError(
            f"a process is left with one example of the last batch, on which batch norm fails ({error}); take a batch "
            f"size that leaves each of the {world.size} processes two, or latih.norm's batch norm."
        ) from error
    finally:
        model.train(before)


def _leaves_unused(parts: Parts, device: torch.device) -> bool:
    """Whether the loss reaches all weights that may be trained: DDP waits for each, unless it is told to search."""
    model, few = parts.model, torch.arange(min(8, len(parts.train)))
    batch = next(iter(parts.train.batches(few, len(few))))
    weights = [one for one in model.parameters() if one.requires_grad]
    before = model.training
    try:
        with unnoticed(model), torch.enable_grad():
            model.train()
            value = parts.loss(model(batch.inputs.to(device)), batch.targets.to(device))
            found = torch.autograd.grad(value, weights, allow_unused=True)
    except Exception:  # whatever it is, training says it better
        return False
    finally:
        model.train(before)
    return any(one is None for one in found)
