"""Read what the model is, at the first sample and again when it has changed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._shards import is_sharded
from latih.tape import Tape, read, tensors, unwrap

from ._facts import layers_of, norms_of, optimizer_of, parameters_of
from ._foreign import depends_on_batch, mixes_examples, unregistered
from ._guard import Guard, guarded, quiet
from ._record import Record
from ._rerun import no_autocast_cache, without_foreign_hooks
from ._sampling import Scene
from ._values import values_of

_EXAMPLES = 32
"""On which the structure is read."""

_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class Structure:
    """Fills the record's facts about the model, and says what a sample looks at."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer | None, record: Record, guard: Guard) -> None:
        self.model, self.optimizer, self.record, self.guard = model, optimizer, record, guard
        self._modes: dict[str, bool] = {}
        self.scene: Scene | None = None
        self._parameters: list[tuple[str, Tensor]] = list(unwrap(model).named_parameters())
        self._known: list[tuple[str, int, bool, bool]] = []
        self._sharded = is_sharded(model)

    @property
    def compiled(self) -> bool:
        """Some of the model runs compiled, or in shards, where nothing can be seen without changing it."""
        return self._sharded or any(
            "_orig_mod" in one._modules or one.__dict__.get("_compiled_call_impl") is not None
            for one in self.model.modules()
        )

    def look(self, inputs: tuple[tuple, dict] | None) -> Scene:
        """The scene of a sample; read anew where the parameters are not those of the last time."""
        model = unwrap(self.model)
        if self._sharded:  # to read it takes a forward pass of all processes; in ours some weights are gathered now
            inputs = None
        parameters: list[tuple[str, Tensor]] = list(model.named_parameters())
        if not self._sharded and all(isinstance(one, nn.Parameter) for _, one in parameters):
            self._parameters = parameters
        else:  # inside a functional call, on other tensors than the model's own
            inputs = None
        now = [(name, id(one), one.requires_grad, bool(is_lazy(one))) for name, one in self._parameters]
        if self.scene is None or now != self._known:
            if self.scene is not None:
                self.record.changed.append(self.record.updates)
            self.scene, self._known = self._read(model, inputs), now
        return self.scene

    def find_unregistered(self, outputs: list[Tensor], inputs: Any) -> None:
        """Once, from the graph of the first sampled forward pass."""
        if self._sharded:
            return  # the graph holds what was gathered
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        known = {id(one) for _, one in self._parameters} | {id(one) for group in groups for one in group["params"]}
        self.record.unregistered = unregistered(outputs, inputs, known)

    def _read(self, model: nn.Module, inputs: tuple[tuple, dict] | None) -> Scene:
        record = self.record
        tape, sizes = (None, {}) if inputs is None else self._tape(model, *inputs)
        record.layers = [] if tape is None else layers_of(tape)
        record.parameters = parameters_of(
            self._parameters, self.optimizer, None if tape is None else set(tape.unreached)
        )
        record.norms = norms_of(model, record.layers, sizes, self._modes)
        if inputs is not None:
            self._ask_for_company(model, inputs)
        record.dropout = max((one.p for one in model.modules() if isinstance(one, _DROPOUT)), default=0.0)
        record.optimizer, record.training = optimizer_of(self.optimizer), model.training
        first = next((one for one in tensors(inputs) if one.dim()), None)
        if first is not None:
            record.inputs, record.batch_size = values_of(first), len(first)
        labels = {layer.parameter: layer.name for layer in record.layers}
        parameters = [(name, one) for name, one in self._parameters if not is_lazy(one)]
        matrices = [(name, one) for name, one in parameters if name in labels or one.dim() > 1]
        weights = {labels.get(name) or name: one for name, one in matrices}
        optimizer = self.optimizer
        moved = None if optimizer is None else {id(one) for group in optimizer.param_groups for one in group["params"]}
        return Scene(
            parameters=parameters,
            weights=weights,
            moved={label for label, one in weights.items() if moved is None or id(one) in moved},
            layers=[layer.name for layer in record.layers],
            channels_first={layer.name for layer in record.layers if layer.kind.startswith("conv")},
            examples_second=_examples_second(model, weights),
        )

    @guarded("answers in evaluation mode")
    def _ask_for_company(self, model: nn.Module, inputs: tuple[tuple, dict]) -> None:
        examples = _fewer(_together(model, *inputs))
        self.record.batch_dependent = depends_on_batch(model, examples, self.record.layers)
        if self.record.batch_dependent is None:
            self.record.mixed = mixes_examples(model, examples, self.record.layers)

    def _tape(self, model: nn.Module, args: tuple, kwargs: dict) -> tuple[Tape | None, dict[str, int]]:
        sizes: dict[str, int] = {}
        try:
            inputs = _fewer(_together(model, args, kwargs))
            with quiet(), without_foreign_hooks(model), _sizes(model, sizes, self._modes), no_autocast_cache():
                tape = read(model, (inputs, None))
        except Exception as error:  # whatever the tape cannot read, weights and gradients still can be measured
            self.guard.note(f"the structure could not be read: {next(iter(str(error).splitlines()), error)}")
            return None, {}
        whole = next((len(one) for one in tensors((args, kwargs)) if one.dim()), 1)
        used = next((len(one) for one in tensors(inputs) if one.dim()), 1)
        return tape, {name: count * whole // used for name, count in sizes.items()}


def _together(model: nn.Module, args: tuple, kwargs: dict) -> Any:
    """Arguments of a call in the form that the tape takes: by position, or all by name."""
    if not kwargs:
        return args[0] if len(args) == 1 and isinstance(args[0], Tensor) else args
    if not args:
        return kwargs
    return inspect.signature(model.forward).bind(*args, **kwargs).arguments


def _fewer(inputs: Any) -> Any:
    """The first examples, of a single tensor; what belongs together in several is not known."""
    return inputs[:_EXAMPLES] if isinstance(inputs, Tensor) and inputs.dim() and len(inputs) > _EXAMPLES else inputs


@contextmanager
def _sizes(model: nn.Module, sizes: dict[str, int], modes: dict[str, bool]) -> Iterator[None]:
    """Values a feature that each batch norm is given, and the mode in which it really runs."""

    def note(name: str, module: Any, given: tuple) -> None:
        sizes[name], modes[name] = given[0].numel() // max(module.num_features, 1), module.training

    hooks = [
        module.register_forward_pre_hook(functools.partial(note, name))
        for name, module in model.named_modules()
        if isinstance(module, _NormBase)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _examples_second(model: nn.Module, weights: dict[str, Tensor]) -> set[str]:
    """Labels of the weights inside attention and transformer layers that are told to expect (time, examples, ...)."""
    second = [
        module
        for module in model.modules()
        if getattr(getattr(module, "self_attn", module), "batch_first", True) is False
        and not isinstance(module, nn.RNNBase)
    ]
    inside = {id(one) for module in second for one in module.parameters()}
    return {label for label, one in weights.items() if id(one) in inside}
