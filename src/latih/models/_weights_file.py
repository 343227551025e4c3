"""Read a checkpoint's tensors by name; nothing is unpickled that could run code."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from latih._checks import InputError

_PICKLED = (".pt", ".pth", ".bin", ".ckpt")
_INDEX = ".safetensors.index.json"
_NESTED = ("state_dict", "model_state_dict", "model")  # the usual places of a state dict among other state
_DEPTH = 4  # nested so deep; a file may come from anyone, and a dict may hold itself
_POINTER = b"version https://git-lfs.github.com/spec/"


def read_entries(call: str, source: object) -> Mapping[str, Any]:
    """The state dict that `source`, a path or a mapping, holds; some of its entries may be no tensors.

    Raises `InputError` for whatever cannot be read safely, and where no tensor is found.
    """
    if isinstance(source, Mapping):
        return _state_dict(call, source)
    try:
        path = Path(source)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(
            f"{call}: the source must be a path or a dict of tensors; of a module, pass its state_dict()."
        ) from None
    return _state_dict(call, _index(call, path) if path.name.endswith(_INDEX) else _file(call, path))


def _file(call: str, path: Path) -> Any:
    _check(call, path)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:  # the library's own error, or the system's
            raise _unreadable(call, "a safetensors file", error) from error
    if path.suffix in _PICKLED:
        return _pickled(call, path)
    raise InputError(
        f"{call}: the name must end in .safetensors, {', '.join(_PICKLED)} or {_INDEX}; rename the file to what it is."
    )


def _check(call: str, path: Path) -> None:
    if path.is_dir():
        found = sorted(one.name for one in path.iterdir() if one.suffix in (".safetensors", *_PICKLED))
        raise InputError(f"{call}: this is a folder; name the file{f', such as {path / found[0]}' if found else ''}.")
    try:
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except FileNotFoundError:
        raise InputError(f"{call}: there is no such file; check the path.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{call}: cannot be opened ({error}); check the path.") from error
    if not start:
        raise InputError(f"{call}: the file is empty; download it again.")
    if start == _POINTER:
        raise InputError(
            f"{call}: this is a Git LFS pointer, a note where the weights are kept; run `git lfs pull` in its folder."
        )


def _pickled(call: str, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the file is said below
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" not in str(error):
            raise _unreadable(call, "a state dict", error) from error
        # torch words it so: "Unsupported global: GLOBAL __main__.Net was not an allowed global by default"
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(
            f"{call}: the file holds more than tensors by name{f' ({forbidden[1]})' if forbidden else ''}, and reading "
            "that could run code; where you trust it, read it once with torch.load(path, weights_only=False) and write "
            "its state dict with safetensors.torch.save_file(state, 'weights.safetensors')."
        ) from error


def _index(call: str, path: Path) -> dict[str, Any]:
    """All shards of an index as one mapping."""
    _check(call, path)
    try:
        shards = sorted(set(json.loads(path.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(call, "an index with a weight_map", error) from error
    tensors: dict[str, Any] = {}
    for shard in shards:
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputError(f"{call}: shard {shard!r} must be a .safetensors file beside the index; mend the index.")
        tensors |= _file(f"load_weights(source={str(path.parent / shard)!r})", path.parent / shard)
    return tensors


def _state_dict(call: str, found: Any) -> Mapping[str, Any]:
    """The mapping that holds tensors, looked for under the usual names."""
    # no entry of a state dict is a mapping, so one under these names is the state dict itself
    for _ in range(_DEPTH):
        inner = [key for key in _NESTED if isinstance(found, Mapping) and isinstance(found.get(key), Mapping)]
        found = found[inner[0]] if inner else found
    if not isinstance(found, Mapping) or not any(isinstance(value, torch.Tensor) for value in found.values()):
        what = f"keys {', '.join(map(repr, list(found)[:5]))}" if isinstance(found, Mapping) else type(found).__name__
        raise InputError(f"{call}: no tensors by name in it ({what}); pass or save model.state_dict().")
    return {str(name): value for name, value in found.items()}


def _unreadable(call: str, kind: str, error: Exception) -> InputError:
    reason = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}".split(". ")[0].rstrip(".: ")
    return InputError(f"{call}: cannot be read as {kind}, it may be cut off ({reason}); fetch the file again.")
