"""A checkpoint in shards: each process writes its rows, and any number of processes reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import Tensor

from latih._shards import by_rows

_MARK = "in shards"
"""Key of the dict that stands in the plain state for a divided tensor."""


class Piece(msgspec.Struct, frozen=True):
    """What the header of a shard's file says of each of its tensors."""

    shape: list[int]
    """Of the whole."""
    offset: list[int]
    """Where in the whole this one begins."""


class Divided(NamedTuple):
    """A state, taken apart."""

    plain: Any
    """With a name for every divided tensor."""
    rows: dict[str, Tensor]
    """What this process holds of them, by that name."""
    pieces: dict[str, Piece]


def shard_name(rank: int, size: int) -> str:
    """The file of one process among `size`."""
    return f"shard-{rank + 1}-of-{size}.safetensors"


def divide(tree: Any) -> Divided:
    """Part nested plain data into what all processes know and the rows that lie here; nothing is copied or sent."""
    rows: dict[str, Tensor] = {}
    pieces: dict[str, Piece] = {}

    def walk(path: tuple[str, ...], value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk((*path, str(key)), one) for key, one in value.items()}
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            walked = [walk((*path, str(place)), one) for place, one in enumerate(value)]
            return walked if isinstance(value, list) else tuple(walked)
        if not (isinstance(value, Tensor) and by_rows(value)):
            return value
        name, here = "/".join(path), value.to_local()  # pyright: ignore[reportAttributeAccessIssue]
        if len(here):
            start = bounds(len(value), value.device_mesh)[0]  # pyright: ignore[reportAttributeAccessIssue]
            rows[name], pieces[name] = here, Piece(list(value.shape), [start] + [0] * (value.dim() - 1))
        return {_MARK: name}

    return Divided(walk((), tree), rows, pieces)


def bounds(rows: int, mesh: Any) -> tuple[int, int]:
    """The first row that this process holds of so many, and the first that it does not hold any more."""
    rank, each = dist.get_rank(mesh.get_group()), -(-rows // mesh.size())
    return min(rank * each, rows), min((rank + 1) * each, rows)


def header(pieces: dict[str, Piece]) -> dict[str, str]:
    """The metadata of a shard's file."""
    return {name: msgspec.json.encode(piece).decode() for name, piece in pieces.items()}


def put_together(tree: Any, find: Callable[[str], Tensor]) -> Any:
    """The state that `divide` has parted; `find` gives the tensor of a name."""
    if isinstance(tree, dict):
        if tree.keys() == {_MARK}:
            return find(tree[_MARK])
        return {key: put_together(one, find) for key, one in tree.items()}
    if isinstance(tree, list | tuple) and not isinstance(tree, torch.Size):
        return type(tree)(put_together(one, find) for one in tree)
    return tree


class Shards:
    """The tensors in the files of all processes; rows are read when they are asked for."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.shapes: dict[str, list[int]] = {}
        self._found: dict[str, list[tuple[int, Any]]] = {}
        for path in paths:
            file = safe_open(path, framework="pt")
            for name, text in (file.metadata() or {}).items():
                piece = msgspec.json.decode(text, type=Piece)
                if self.shapes.setdefault(name, piece.shape) != piece.shape:
                    raise ValueError(f"{name} has two shapes")
                self._found.setdefault(name, []).append((piece.offset[0], file.get_slice(name)))

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """The rows from `start` to `stop` of the tensor `name`."""
        parts = []
        for first, content in sorted(self._found[name], key=lambda one: one[0]):
            low, high = max(start - first, 0), min(stop - first, content.get_shape()[0])
            if low < high:
                parts.append(content[low:high])
        found = torch.cat(parts) if parts else self._found[name][0][1][0:1][:0]
        if list(found.shape) != [stop - start, *self.shapes[name][1:]]:
            raise ValueError(f"{name} is not complete")
        return found

    def whole(self, name: str) -> Tensor:
        """All of the tensor `name`."""
        return self.rows(name, 0, self.shapes[name][0])
