from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from ._arguments import below_one, two_betas
from ._base import OptimizerSpec
from ._groups import Groups, decay_groups
from ._roles import roles
from ._text import notation


class Muon(torch.optim.Optimizer):
    """torch's Muon for the hidden matrices and torch's AdamW for everything else, as one optimizer.

    A group with `hidden=True` goes to Muon, a convolution's weight in it as the matrix (out, in·kernel). Both work on
    this object's groups and state, so rates that are set, and state that is loaded, reach them.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.1,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        # torch refuses an optimizer without parameters, hence a spare one in each; they get theirs at every step
        self._matrices = torch.optim.Muon(
            [torch.zeros(1, 1)], lr, weight_decay, momentum, adjust_lr_fn="match_rms_adamw"
        )
        self._others = torch.optim.AdamW(
            [torch.zeros(1)], lr, betas, weight_decay=weight_decay, foreach=foreach, fused=fused
        )
        super().__init__(_routed(params), {"lr": lr, "weight_decay": weight_decay})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; it goes to AdamW unless it says `hidden=True`."""
        inner = self._matrices if param_group.setdefault("hidden", False) else self._others
        super().add_param_group({**inner.defaults, **param_group})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient; return the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # linked anew each time: loading a state replaces groups and state
        self._others.state = self.state
        self._others.param_groups = [group for group in self.param_groups if not group["hidden"]]
        self._others.step()
        self._step_matrices()
        return loss

    def _step_matrices(self) -> None:
        flat: list[tuple[Tensor, Tensor]] = []
        state: defaultdict[Tensor, Any] = defaultdict(dict)
        groups = []
        for group in [group for group in self.param_groups if group["hidden"]]:
            params = [param for param in group["params"] if param.grad is not None]
            matrices = [param if param.ndim == 2 else _flattened(param) for param in params]
            state.update({matrix: self.state[param] for param, matrix in zip(params, matrices, strict=True)})
            flat += [(p, matrix) for p, matrix in zip(params, matrices, strict=True) if p is not matrix]
            groups.append({**group, "params": matrices})
        self._matrices.state, self._matrices.param_groups = state, groups
        self._matrices.step()
        for param, matrix in flat:
            if matrix.data_ptr() != param.data_ptr():  # a weight in channels_last: flattening it copied it
                param.copy_(matrix.view_as(param))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_matrices": self._matrices, "_others": self._others}


def muon(
    lr: float = 0.001, momentum: float = 0.95, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.1
) -> OptimizerSpec:
    """Turn the momentum of each hidden weight matrix into the nearest orthogonal one, so all directions learn alike.

    m ← β·m + (1 − β)·g; o = orthogonalised((1 − β)·g + β·m); W ← W − η·λ·W − η·0.2·√max(rows, columns)·o,
    with η = `lr`, β = `momentum`, λ = `weight_decay`. Orthogonalised means five Newton-Schulz iterations in bfloat16,
    which bring the singular values near 1. The factor 0.2·√max(rows, columns) gives the step the size of an AdamW
    step, so one rate and one decay serve both halves (Liu et al., 2025); torch's own default is Jordan's
    √max(1, rows/columns).

    Muon is only for the weights between two hidden layers: matrices, and convolutions as the matrix (out, in·kernel),
    whose steps then have max(out, in·kernel) in the factor. torch's AdamW with `betas` trains everything else: biases,
    norms, embeddings, transposed and grouped convolutions (their rows do not act on one input), and the first and the
    last weight of the model in the order of its definition. Given bare parameters, where convolutions and embeddings
    cannot be told, the same order decides and only matrices are hidden. A model with fewer than three weighted layers
    has no hidden matrix: AdamW trains it all. torch.optim.Muon itself takes matrices only.

    When: transformers, deep MLPs and convolutional networks, where it needs fewer steps than `adamw`.
    It hurts on small layers and small budgets: each step costs fifteen products of matrices a layer.

    Source: Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et al., 2025, "Muon is
    scalable for LLM training".

    Raises `InputError` for lr ≤ 0, momentum or betas outside [0, 1) or weight_decay < 0.

    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> [(group["hidden"], len(group["params"])) for group in muon()(model).param_groups]
    [(True, 1), (False, 2), (False, 3)]
    """
    below_one("muon", "momentum", momentum, "0.95 is the usual start")
    betas = two_betas("muon", betas)
    text = notation(muon, lr=lr, momentum=momentum, betas=betas, weight_decay=weight_decay)
    return OptimizerSpec(text, Muon, lr, weight_decay, {"momentum": momentum, "betas": betas}, hidden_groups)


def hidden_groups(model: nn.Module, weight_decay: float) -> Groups:
    """The decay groups of `model`, each parted into the hidden matrices (`hidden=True`) and the others."""
    weights = {id(use.parameter) for use in roles(model) if use.role == "weight"}
    order = [parameter for _, parameter in model.named_parameters(remove_duplicate=False)]
    return _parted(decay_groups(model, weight_decay), _between(order, _flattenable(model)) & weights)


def _flattenable(model: nn.Module) -> set[int]:
    """The ids of the convolutions' weights whose rows (one an output channel) all act on the same input."""
    plain = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {id(module.weight) for module in model.modules() if isinstance(module, plain) and module.groups == 1}


def _flattened(param: Tensor) -> Tensor:
    matrix = param.detach().flatten(1)
    matrix.grad = param.grad.flatten(1) if param.grad is not None else None
    return matrix


def _between(order: Sequence[Tensor], flattenable: Iterable[int] = ()) -> set[int]:
    """The ids of the matrices, and of the `flattenable`, after the first weight and before the last."""
    weights = [parameter for parameter in order if parameter.ndim >= 2]
    ends = {id(weight) for weight in (weights[:1] + weights[-1:])}
    kept = set(flattenable)
    return {id(weight) for weight in weights if weight.ndim == 2 or id(weight) in kept} - ends


def _parted(groups: Groups, hidden: set[int]) -> Groups:
    parted = [
        {**group, "params": [p for p in group["params"] if (id(p) in hidden) == wanted], "hidden": wanted}
        for group in groups
        for wanted in (True, False)
    ]
    for group in parted:
        if group["hidden"] and "name" in group:
            group["name"] = f"{group['name']}, hidden"
    return [group for group in parted if group["params"]]


def _routed(params: Iterable[Any]) -> Groups:
    entries: list[Any] = list(params)
    if not entries or any(isinstance(entry, dict) and "hidden" in entry for entry in entries):
        return entries
    groups: Groups = entries if isinstance(entries[0], dict) else [{"params": entries}]
    groups = [{**group, "params": list(group["params"])} for group in groups]
    # groups that know their role tell the embeddings
    order = [p for group in groups if group.get("role", "weight") == "weight" for p in group["params"]]
    return _parted(groups, _between(order))
