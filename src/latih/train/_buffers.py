"""Copies of tensors in memory that is used again for the next copy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latih._checks import InputError

_PLAIN = (bool, int, float, str, bytes)


class Buffers:
    """Copies nested plain data; its tensors go to the CPU, into the buffers of the last copy where they fit.

    A copy is valid until the next one is made. From a CUDA device nothing waits: the buffers are pinned, and `arrived`
    waits until the last copy is there.
    """

    def __init__(self) -> None:
        self._held: dict[tuple, tuple[tuple, Tensor]] = {}
        self._used: dict[tuple, tuple[tuple, Tensor]] = {}
        self._event: torch.cuda.Event | None = None

    @torch.no_grad()
    def copy(self, tree: Any) -> Any:
        """`tree` of dicts, lists, tuples, tensors, numbers and text, detached from whatever goes on training.

        Raises `InputError` for anything else, since it could not be read back without running code.
        """
        self._used, self._event = {}, None
        copied = self._walk((), tree)
        self._held, self._used = self._used, {}
        if any(signature[-1] for signature, _ in self._held.values()):
            self._event = torch.cuda.Event()
            self._event.record()
        return copied

    def arrived(self) -> None:
        """Wait until the last copy is complete; may be called from any thread."""
        if self._event is not None:
            self._event.synchronize()

    def _walk(self, path: tuple, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(path, value)
        if isinstance(value, dict):
            return {self._walk(path, key): self._walk((*path, key), one) for key, one in value.items()}
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            copied = [self._walk((*path, place), one) for place, one in enumerate(value)]
            return copied if isinstance(value, list) else tuple(copied)
        if value is None or isinstance(value, torch.dtype | torch.device | torch.Size):
            return value
        for kind in _PLAIN:  # a subclass, such as an enum or numpy's float64, becomes what it stands for
            if isinstance(value, kind):
                return kind(value)  # pyright: ignore[reportArgumentType]
        where = ".".join(map(str, path))
        raise InputError(
            f"checkpoint: {where} is a {type(value).__name__}, which only a pickle could hold; keep state as tensors, "
            "numbers, text, lists and dicts."
        )

    def _tensor(self, path: tuple, tensor: Tensor) -> Tensor:
        if tensor.layout != torch.strided:
            return tensor.detach().cpu().clone()
        signature = (tensor.shape, tensor.stride(), tensor.dtype, tensor.is_cuda)
        before, buffer = self._held.get(path, (None, None))
        if buffer is None or before != signature:
            # strides stay: a sum over them in another order would be another number
            buffer = torch.empty_like(tensor, device="cpu", memory_format=torch.preserve_format)
            buffer = buffer.pin_memory() if tensor.is_cuda else buffer
        self._used[path] = (signature, buffer)
        return buffer.copy_(tensor.detach(), non_blocking=tensor.is_cuda)
