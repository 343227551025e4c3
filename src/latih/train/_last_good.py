"""What training can go back to: a copy of everything that an update changes, in buffers that are used again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from latih._shards import local

from ._step import Step

_WIDE = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
_COPIED = object()
"""Stands for a tensor, which is among the copies."""


class LastGood:
    """Weights, buffers, optimizer state, the clip's memory and the scaler's, as they were after `count` updates."""

    def __init__(self) -> None:
        self.count = 0
        self.epochs = 0
        """Complete epochs by then."""
        self.used = False
        """Whether training has gone back to it already."""
        self._copies: list[Tensor] = []

    @torch.no_grad()
    def take(self, step: Step, epochs: int) -> bool:
        """Copy the state of `step`; whether weights and optimizer state are finite, without which it is of no use."""
        self.count, self.epochs, self.used = step.count, epochs, False
        live = list(_tensors(step))
        if [(one.shape, one.dtype) for one in live] == [(one.shape, one.dtype) for one in self._copies]:
            torch._foreach_copy_(self._copies, live)  # pyright: ignore[reportPrivateImportUsage]
        else:
            self._copies = [one.detach().clone() for one in live]
        self._groups = [_without(group, "params") for group in step.optimizer.param_groups]
        self._plain = {
            parameter: {key: _COPIED if isinstance(one, Tensor) else copy.deepcopy(one) for key, one in known.items()}
            for parameter, known in step.optimizer.state.items()
        }
        self._clip = step.clip.state()
        self._scaler = None if step.scaler is None else step.scaler.state_dict()
        # buffers may be infinite on purpose (masks)
        buffers = {id(one) for one in step.model.buffers()}
        checked = [mine for mine, one in zip(self._copies, live, strict=True) if id(one) not in buffers]
        return all_finite(checked)

    @torch.no_grad()
    def put_back(self, step: Step) -> None:
        """Make `step` what it was, but for its count: data and schedule go on."""
        state = step.optimizer.state
        for parameter in list(state):
            known = self._plain.get(parameter, {})
            for key in [key for key in state[parameter] if key not in known]:
                del state[parameter][key]
            for key, one in known.items():
                if one is not _COPIED:
                    state[parameter][key] = copy.deepcopy(one)
            if parameter not in self._plain:
                del state[parameter]
        for group, known in zip(step.optimizer.param_groups, self._groups, strict=True):
            group.update(copy.deepcopy(known))
        torch._foreach_copy_(list(_tensors(step)), self._copies)  # pyright: ignore[reportPrivateImportUsage]
        step.clip.load(self._clip)
        if step.scaler is not None and self._scaler is not None:
            step.scaler.load_state_dict(self._scaler)
        # what validation said of the weights that are given up
        step.scores = tuple(score for score in step.scores if score[0] <= self.count)
        self.used = True

    @torch.no_grad()
    def put_weights(self, step: Step) -> None:
        """Only parameters and buffers, to look at what they do; the caller puts the others back."""
        for one, mine in zip(_weights(step), self._copies, strict=False):
            one.data.copy_(mine)


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether nothing in them is infinite or NaN; waits for the device once.

    Looks at sums, by far the quickest that nothing infinite escapes; what is too large to be summed up is lost as well.
    """
    sums = [one.sum(dtype=_WIDE.get(one.dtype)).float() for one in tensors if one.is_floating_point()]
    return not sums or bool(torch.stack(sums).isfinite().all())


def _weights(step: Step) -> Iterator[Tensor]:
    """What the step trains, what else may change, and the buffers; each once, and of a shard what lies here."""
    seen: set[int] = set()
    learning = (one for one in step.model.parameters() if one.requires_grad)
    for one in (*step.parameters, *learning, *step.model.buffers()):
        if id(one) not in seen:
            seen.add(id(one))
            yield local(one)


def _tensors(step: Step) -> Iterator[Tensor]:
    yield from _weights(step)
    for known in step.optimizer.state.values():
        yield from (local(one) for one in known.values() if isinstance(one, Tensor))


def _without(group: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: copy.deepcopy(one) for key, one in group.items() if key != name}
