"""The name of a cache: a hash of everything that decides the features."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from latih.data import Examples, TensorExamples
from latih.data.augment import Augment

from ._received import split_at
from ._store import FORMAT

_CHUNK = 2**24  # numbers hashed at a time: they may have to come from a device


def fingerprint(
    model: nn.Module,
    head: str | Sequence[str],
    examples: Examples,
    *,
    device: torch.device,
    precision: str = "float32",
    augment: Augment | None = None,
    views: int = 0,
    seed: int = 0,
) -> str | None:
    """SHA-256 over what decides the features, in hexadecimal; None where that cannot be known without computing them.

    Hashed are every tensor and setting of the model outside its head, the kind of `device`, `precision`, the format of
    the file, the augmentation with its `views` and `seed`, and the inputs: the bytes of those in memory; path, size
    and time of change of files. Other examples (a Dataset, a DataLoader) may yield anything, so they have no name, and
    neither has an augmentation of the caller's own that holds more than numbers, texts and functions.

    What is not hashed is the code of the model's methods: whoever finds features by this name compares a batch.
    """
    digest = hashlib.sha256(f"latih features {FORMAT} {[*head]} {device.type} {precision}".encode())
    if augment is not None and views:
        steps = [_described(step) for step in augment.steps]
        if None in steps:
            return None
        digest.update(f"{steps} {views} {seed}".encode())
    if isinstance(examples, TensorExamples):
        _add(digest, "inputs", examples.inputs)
    elif (files := getattr(examples, "paths", None)) is not None:
        for file in files:
            found = file.stat()
            digest.update(f"{file.resolve()} {found.st_size} {found.st_mtime_ns}\n".encode())
        digest.update(f"{examples.shape}".encode())
    else:
        return None
    for name, value in _state(model, head):
        if isinstance(value, Tensor):
            _add(digest, name, value)
        else:
            digest.update(f"{name} {value}\n".encode())
    return digest.hexdigest()


def _state(model: nn.Module, head: str | Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every tensor outside the head by name, and what each module says of its settings."""
    inside = set(split_at(model, head, f"fingerprint(head={head!r})").modules())
    for path, module in model.named_modules():
        if module in inside:
            continue
        settings = re.sub(r" at 0x[0-9a-fA-F]+", "", module.extra_repr())
        yield path, f"{type(module).__module__}.{type(module).__qualname__} {settings}"
        for held in (module._parameters, module._buffers, module.__dict__):
            yield from ((f"{path}.{name}", value) for name, value in held.items() if isinstance(value, Tensor))


def _add(digest: Any, name: str, values: Tensor) -> None:
    digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
    for part in values.detach().reshape(-1).split(_CHUNK):
        digest.update(part.cpu().contiguous().view(torch.uint8).numpy().data)


def _described(value: Any) -> Any:
    """A text that is the same in every process; None for what has none.

    A step of an augmentation is a function that holds its arguments.
    """
    if isinstance(value, FunctionType):
        held = inspect.getclosurevars(value).nonlocals
        parts = {name: _described(item) for name, item in sorted(held.items()) if item is not value}
        return None if None in parts.values() else f"{value.__module__}.{value.__qualname__}{parts}"
    return repr(value) if value is None or isinstance(value, bool | int | float | str) else None
