"""A stage for experiments: a copy of model, loss and optimizer that can be trained and put back."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from latih._rebound import rebound
from latih.tape import call_model, untouched

from ._check_batch import Batch


class Stage:
    """Where the experiments of a check take place; the user's own model only where it cannot be copied."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: torch.optim.Optimizer | None,
        copied: bool = True,
    ) -> None:
        self.notes: list[str] = []
        memo: dict[int, Any] = {}
        try:
            if not copied:
                raise TypeError("the loss works with the model itself only")
            self.model = copy.deepcopy(model, memo)
            self.loss = rebound(loss, memo)
            if _shares(self.model, model):
                raise TypeError("its copy shares parameters with it")
        except Exception as error:  # whatever a module's own attributes raise
            self.notes.append(f"the model cannot be copied ({_line(error)}): experiments ran on it and were taken back")
            self.model, self.loss = model, loss
            memo = {id(one): one for one in model.parameters()}
        self.optimizer = None if optimizer is None else self._twin(optimizer, memo)
        self.devices = {one.device for one in [*model.parameters(), *model.buffers()]}

    def _twin(self, optimizer: torch.optim.Optimizer, memo: dict[int, Any]) -> torch.optim.Optimizer | None:
        try:
            return twin(optimizer, memo)
        except Exception as error:  # optimizers of other libraries
            self.notes.append(f"the optimizer cannot be copied ({_line(error)}): it was not tried on the batch")
            return None

    @property
    def modules(self) -> list[nn.Module]:
        """All modules that an experiment may change."""
        return [*self.model.modules(), *(self.loss.modules() if isinstance(self.loss, nn.Module) else ())]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What can be trained."""
        return [one for one in self.model.parameters() if one.requires_grad]

    @contextmanager
    def experiment(self) -> Iterator[None]:
        """A block in which everything may change; gradients are empty and autograd records when it begins."""
        held = None if self.optimizer is None else _state(self.optimizer)
        with untouched(self.modules, self.devices), torch.inference_mode(False), torch.enable_grad():
            for one in self.modules:
                for parameter in one.parameters(recurse=False):
                    parameter.grad = None
            if not self.model.training:
                self.model.train()
            try:
                yield
            finally:
                if self.optimizer is not None and held is not None:
                    _put_back(self.optimizer, held)

    def run(self, batch: Batch) -> tuple[Any, Tensor]:
        """Output and loss of one forward pass."""
        inputs, targets = batch.fresh()
        output = call_model(self.model, inputs)
        return output, self.loss(output, targets)

    def differentiate(self, batch: Batch) -> Tensor:
        """The loss of one forward pass; its gradients replace those that were there."""
        for one in self.parameters:
            one.grad = None
        _, total = self.run(batch)
        if total.requires_grad:
            total.backward()
        return total.detach()


def twin(optimizer: torch.optim.Optimizer, memo: dict[int, Any]) -> torch.optim.Optimizer:
    """An optimizer of the same class, settings and state over the copied parameters in `memo`; no hook comes along."""
    new = object.__new__(type(optimizer))
    for key, value in vars(optimizer).items():
        if key.endswith("_hooks"):
            new.__dict__[key] = OrderedDict()
        elif not callable(value):  # a scheduler puts a bound step() of the original there
            new.__dict__[key] = copy.deepcopy(value, memo)
    return new


def _state(optimizer: torch.optim.Optimizer) -> tuple[Any, list[dict[str, Any]]]:
    # parameters stay themselves, what is kept about them is copied
    memo = {id(one): one for group in optimizer.param_groups for one in group["params"]}
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return copy.deepcopy(dict(optimizer.state), memo), copy.deepcopy(groups)


def _put_back(optimizer: torch.optim.Optimizer, held: tuple[Any, list[dict[str, Any]]]) -> None:
    state, groups = held
    optimizer.state.clear()
    optimizer.state.update(state)
    for group, was in zip(optimizer.param_groups, groups, strict=True):
        group.update(was)


def _shares(one: nn.Module, other: nn.Module) -> bool:
    return not {id(tensor) for tensor in [*one.parameters(), *one.buffers()]}.isdisjoint(
        id(tensor) for tensor in [*other.parameters(), *other.buffers()]
    )


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
