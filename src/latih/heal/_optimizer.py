"""An optimizer that can be made again for an edited model: the user's own class and groups, or latih's notation."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from latih import _notation
from latih._checks import InputError
from latih.optim import OptimizerSpec

_NOT_SETTINGS = ("params", "initial_lr", "param_names")


@dataclass(frozen=True)
class Group:
    """Parameters that share settings, by name."""

    names: frozenset[str]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class OptimizerPlan:
    """How to make the optimizer for a model; never changed, like everything that a cure is given.

    Either `spec` makes it, for all parameters that may learn; or `make` does, for `groups` of names as they were in
    the live optimizer. Parameters of neither the groups nor `left_out` are new in the model and join the largest group.

    >>> plan = OptimizerPlan.of("sgd(lr=0.1)", nn.Linear(2, 1))
    >>> plan.with_lr(0.01).text
    'sgd(lr=0.01)'
    """

    spec: OptimizerSpec | None = None
    make: type[torch.optim.Optimizer] | None = None
    groups: tuple[Group, ...] = ()
    left_out: frozenset[str] = field(default=frozenset())
    """Names that the live optimizer did not hold, though they may learn."""

    @classmethod
    def of(cls, given: str | OptimizerSpec | torch.optim.Optimizer, model: nn.Module) -> OptimizerPlan:
        """Of notation, a spec, or a live optimizer, of which the parameters that are not the `model`'s are left out.

        A live optimizer is taken as new: what it remembers of earlier updates belongs to weights that are not kept.
        """
        if isinstance(given, str):
            return cls(spec=_notation.build("optim", given))
        if isinstance(given, OptimizerSpec):
            return cls(spec=given)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups = []
        for group in given.param_groups:
            held = [names.get(id(parameter)) for parameter in group["params"]]
            known = frozenset(name for name in held if name is not None)
            settings = {key: value for key, value in group.items() if key not in _NOT_SETTINGS}
            settings["lr"] = group.get("initial_lr", settings["lr"])
            groups.append(Group(known, settings))
        taken = frozenset().union(*(group.names for group in groups))
        left_out = {name for name, parameter in model.named_parameters() if parameter.requires_grad} - taken
        return cls(make=type(given), groups=tuple(groups), left_out=frozenset(left_out))

    @property
    def holds_none(self) -> bool:
        """A live optimizer whose parameters are all another model's."""
        return self.spec is None and not any(group.names for group in self.groups)

    @property
    def lr(self) -> float:
        """Of the largest group."""
        return self.spec.lr if self.spec is not None else float(self._largest.settings["lr"])

    @property
    def weight_decay(self) -> float:
        """Of the largest group; 0 where it has none."""
        return self.spec.weight_decay if self.spec is not None else self._largest.settings.get("weight_decay", 0.0)

    @property
    def name(self) -> str:
        """The method in lower case: "sgd"."""
        return self.spec.name if self.spec is not None else self._class.__name__.lower()

    @property
    def text(self) -> str:
        """In notation, or for a class of torch as one would write it."""
        if self.spec is not None:
            return self.spec.text
        return f"{self._class.__name__}(lr={self.lr:.4g})"

    def with_lr(self, lr: float) -> OptimizerPlan:
        """The largest group at `lr`, the others in proportion."""
        if self.spec is not None:
            return replace(self, spec=self.spec.with_(lr=lr))
        ratio = lr / self.lr if self.lr else None
        return self._with(lambda settings: {"lr": lr if ratio is None else float(settings["lr"]) * ratio})

    def with_weight_decay(self, weight_decay: float) -> OptimizerPlan:
        """Every group that decays decays by this; at 0 none does."""
        if self.spec is not None:
            return replace(self, spec=self.spec.with_(weight_decay=weight_decay))
        return self._with(lambda settings: {"weight_decay": weight_decay} if settings.get("weight_decay") else {})

    def with_method(self, text: str) -> OptimizerPlan:
        """Another method, in notation, for all parameters that the old one was for."""
        return OptimizerPlan(spec=_notation.build("optim", text), left_out=self.left_out)

    def renamed(self, names: Mapping[str, str]) -> OptimizerPlan:
        """For a model in which parameters go by other names, `{old: new}`."""

        def moved(old: Iterable[str]) -> frozenset[str]:
            return frozenset(names.get(name, name) for name in old)

        groups = tuple(replace(group, names=moved(group.names)) for group in self.groups)
        return replace(self, groups=groups, left_out=moved(self.left_out))

    def taking_in(self, names: Iterable[str]) -> OptimizerPlan:
        """Parameters that were left out join the largest group."""
        return replace(self, left_out=self.left_out - set(names))

    def __call__(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer over `model`'s parameters; those that may not learn are left out."""
        free = {name: one for name, one in model.named_parameters() if one.requires_grad and name not in self.left_out}
        if self.spec is not None:
            return self.spec(model) if not self.left_out else self.spec(list(free.values()))
        known = frozenset().union(*(group.names for group in self.groups))
        largest, made = self._largest, []
        for group in self.groups:
            mine = [
                one for name, one in free.items() if name in group.names or (group is largest and name not in known)
            ]
            if mine:
                made.append({"params": mine, **group.settings})
        if not made and known:
            raise InputError("heal(optimizer=...): none of the parameters that it holds may learn; unfreeze some.")
        if not made:  # all that it held is another model's, and it moves nothing of this one
            made.append({"params": [torch.zeros(1, requires_grad=True)], **largest.settings})
        return self._class(made, **self._required())  # pyright: ignore[reportCallIssue]

    def _required(self) -> dict[str, Any]:
        """Arguments without a default of somebody's own class; what they are for a group, its settings say."""
        taken = list(inspect.signature(self._class).parameters.values())[1:]
        return {one.name: self._largest.settings[one.name] for one in taken if _must(one, self._largest.settings)}

    @property
    def _class(self) -> type[torch.optim.Optimizer]:
        assert self.make is not None
        return self.make

    @property
    def _largest(self) -> Group:
        return max(self.groups, key=lambda group: len(group.names))

    def _with(self, change: Any) -> OptimizerPlan:
        groups = tuple(replace(group, settings={**group.settings, **change(group.settings)}) for group in self.groups)
        return replace(self, groups=groups)


def _must(argument: inspect.Parameter, settings: Mapping[str, Any]) -> bool:
    """Cannot be left out, and is known."""
    return argument.default is argument.empty and argument.name in settings
