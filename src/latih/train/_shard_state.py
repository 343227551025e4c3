"""A saved state, brought into the form in which a sharded training holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard

from latih._shards import by_rows

from ._shard_files import Shards, bounds


def own_rows(shards: Shards, name: str, like: DTensor) -> DTensor:
    """The tensor `name`, divided as `like` is; no more than this process's rows are read."""
    shape = shards.shapes[name]
    return _placed(shards.rows(name, *bounds(shape[0], like.device_mesh)), shape, like)


def cut(whole: Tensor, like: DTensor) -> DTensor:
    """The rows of a `whole` tensor that belong to this process, as a tensor that is divided as `like` is."""
    first, last = bounds(len(whole), like.device_mesh)
    return _placed(whole[first:last].clone(), whole.shape, like)


def cut_all(tree: Any, wanted: dict[str, DTensor]) -> Any:
    """`tree` with every tensor divided that is named as one of the `wanted` and has its shape."""
    if isinstance(tree, dict):
        return {
            key: cut(one, wanted[key])
            if isinstance(one, Tensor) and key in wanted and one.shape == wanted[key].shape
            else cut_all(one, wanted)
            for key, one in tree.items()
        }
    if isinstance(tree, list | tuple) and not isinstance(tree, torch.Size):
        return type(tree)(cut_all(one, wanted) for one in tree)
    return tree


def cut_optimizer(state: dict[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """An optimizer's saved state with everything divided that has the shape of its parameter."""

    def fitting(known: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
        if not isinstance(parameter, DTensor):
            return known
        alike = {key: one for key, one in known.items() if isinstance(one, Tensor) and one.shape == parameter.shape}
        return known | {key: cut(one, parameter) for key, one in alike.items()}

    return state | {"state": {place: fitting(known, parameters[place]) for place, known in state["state"].items()}}


def divided_in(model: nn.Module) -> dict[str, DTensor]:
    """The divided tensors of the state of `model`, by name."""
    return {name: one for name, one in model.state_dict().items() if isinstance(one, DTensor) and by_rows(one)}


def _placed(rows: Tensor, shape: Sequence[int], like: DTensor) -> DTensor:
    whole = torch.empty(tuple(shape), device="meta")
    return DTensor.from_local(
        rows.to(like.device), like.device_mesh, [Shard(0)], run_check=False, shape=whole.shape, stride=whole.stride()
    )
