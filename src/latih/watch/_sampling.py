"""One step that is looked at: activations, gradients, the update that was really made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from . import _statistics as statistics
from ._capture import Capture
from ._guard import Guard, guarded
from ._norms import leading, norms, together
from ._record import Sample
from ._sample import Gradients, Numbers, Spectra, sample_of

_WINDOW = 4
"""Samples over which a unit must have been flat to count as dead."""


@dataclass
class Scene:
    """What a sample looks at; stays until the model changes."""

    parameters: list[tuple[str, Tensor]]
    """All of the model's."""
    weights: dict[str, Tensor]
    """Label of a reading -> the weight."""
    moved: set[str]
    """Labels of the weights that the optimizer moves."""
    layers: list[str] = field(default_factory=list)
    """Labels in forward order."""
    channels_first: set[str] = field(default_factory=set)
    examples_second: set[str] = field(default_factory=set)
    """Layers between which signals are (time, examples, features)."""
    window: dict[str, list[Tensor]] = field(default_factory=dict)
    """Layer -> for each of its last samples, which units left their flat part for at least one example."""


class Sampling:
    """Gathers numbers on the device during one update; `finish` fetches them all at once."""

    def __init__(self, scene: Scene, guard: Guard, training: bool) -> None:
        self.scene, self.guard, self.training = scene, guard, training
        self.numbers: Numbers = {}
        self.spectra: Spectra = {}
        self.gradients = Gradients()
        self.differentiated = self.seen = False
        self._capture: Capture | None = None
        self._hooks: list[Any] = []
        self._passing = False
        self._before: dict[str, Tensor] = {}
        self._alive: dict[str, Tensor] = {}

    @property
    def capturing(self) -> bool:
        """The forward pass is being looked at."""
        return self._capture is not None

    def open(self) -> None:
        """Start to see the forward pass."""
        self._capture = Capture({id(one): name for name, one in self.scene.weights.items()}, self, self.guard)
        self._capture.__enter__()

    def close(self) -> None:
        """The forward pass is over, or has failed."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.__exit__(None, None, None)

    def before_backward(self, first: bool, scale: Tensor | None) -> None:
        """What lies in the gradients before this update adds to them."""
        self._passing, self.gradients.scale = True, scale
        if first:
            self.gradients.stale = together(self._grads())

    def after_backward(self) -> None:
        """The gradients are there, nobody has clipped them yet."""
        self._passing, self.differentiated = False, True
        self._put("weight_grad", {name: one.grad for name, one in self.scene.weights.items() if one.grad is not None})
        self.gradients.raw = together(self._grads())

    def before_step(self, scale: Tensor | None = None) -> None:
        """The gradients are final; remember the weights, to see how far they really move."""
        if not self._before:
            self._before = {name: leading(one).clone() for name, one in self.scene.weights.items()}
        if self.differentiated:
            self.gradients.final, self.gradients.final_scale = together(self._grads()), scale

    def finish(self, step: int) -> Sample | None:
        """All numbers as plain data, after the update; None where it never came to a backward pass and an update."""
        self.abandon()
        if not self.differentiated or not self._before:
            return None
        self._put("weight_norm", self._before)
        for name, one in self._before.items():
            self.numbers[name]["weight_std"] = statistics.wide(one).std(correction=0)
        moved = {name: self._before[name] for name in self._before if name in self.scene.moved}
        changes = [leading(self.scene.weights[name]) - one for name, one in moved.items()]
        for name, change in zip(moved, norms(changes), strict=True):
            self.numbers[name]["weight_change"] = change / self.numbers[name]["weight_norm"].clamp_min(1e-12)
        self._remember_alive()
        return sample_of(step, self.training, self.numbers, self.spectra, self.gradients, self.scene)

    def abandon(self) -> None:
        """Take everything back out."""
        self.close()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    # -- what the capture tells

    def output(self, layer: str, output: Tensor) -> None:
        """Of the first use in this update: what the weight puts out, and the gradient that comes back to it."""
        found = self.numbers.setdefault(layer, {})
        self.seen = True
        if "out_mean" in found or not output.dim():
            return
        with _precise(output):
            found.update(statistics.of_output(output))
        if output.requires_grad:
            self._hooks.append(output.register_hook(lambda gradient: self._gradient(found, gradient)))

    def activation(self, layers: tuple[str, ...], name: str, before: Tensor, after: Tensor) -> None:
        """Of the first use in this update."""
        new = [layer for layer in layers if "mean" not in self.numbers.setdefault(layer, {})]
        if not new:
            return
        if after.dim() == 3 and self.scene.examples_second.intersection(new):
            before, after = before.transpose(0, 1), after.transpose(0, 1)
        with _precise(after):
            channels_first = bool(self.scene.channels_first.intersection(new))
            numbers, products = statistics.of_signal(after)
            numbers |= statistics.unit_spread(after, channels_first)
            left, share = statistics.flat_part(name, before, channels_first)
        for layer in new:
            self.numbers[layer] |= numbers if share is None else {**numbers, "saturated": share}
            self.spectra[layer] = products, after[0].numel()
            if left is not None:
                self._alive[layer] = left

    def states(self, layers: tuple[str, ...], states: Tensor) -> None:
        """Of a recurrent network: its states are what its last matrices feed."""
        self.seen = True
        self.activation(layers, "", states, states)

    @guarded("gradients")
    def _gradient(self, found: dict[str, Tensor], gradient: Tensor) -> None:
        # a gradient penalty differentiates on its own account: only what reaches the weights counts
        if self._passing and "grad_norm" not in found:
            found.update(statistics.of_gradient(gradient))

    def _remember_alive(self) -> None:
        window = self.scene.window
        for layer, left in self._alive.items():
            before = [one for one in window.get(layer, ()) if one.shape == left.shape]
            window[layer] = [*before[1 - _WINDOW :], left]

    def _grads(self) -> Iterable[Tensor]:
        # what is frozen may still hold a gradient of the time before
        return [one.grad for _, one in self.scene.parameters if one.grad is not None and one.requires_grad]

    def _put(self, key: str, tensors: dict[str, Tensor]) -> None:
        for name, norm in zip(tensors, norms(tensors.values()), strict=True):
            self.numbers.setdefault(name, {})[key] = norm


def _precise(values: Tensor) -> Any:
    """Autocast would take matrix products in half precision."""
    return torch.autocast(values.device.type, enabled=False)
