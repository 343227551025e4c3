from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ._base import OptimizerSpec
from ._schedule_free import ScheduleFree, between
from ._text import notation


class ScheduleFreeSGD(ScheduleFree):
    """SGD at y whose iterates z are averaged in x (Defazio et al., 2024, equations 3 to 5)."""

    def __init__(self, params: ParamsT, lr: float = 0.1, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """z steps down the gradient at y."""
        if not state:
            state["z"] = param.clone()
        change = grad.add(param, alpha=group["weight_decay"]) if group["weight_decay"] else grad
        self.advance(param, change, state, group["lr"], group["momentum"])


def schedule_free_sgd(lr: float = 0.1, momentum: float = 0.9, weight_decay: float = 0.0) -> OptimizerSpec:
    """SGD that averages its iterates as it goes, so that the rate need not fall and the run's length need not be known.

    y = (1 − β)·z + β·x; z ← z − η·(∇(y) + λ·y); x ← (1 − c)·x + c·z, c = η²/Ση², with η = `lr`, β = `momentum`,
    λ = `weight_decay` and x = z = θ at the start. While training the parameters hold y; the result is x: the loop must
    call `optimizer.eval()` before it evaluates or saves weights for use and `optimizer.train()` before it goes on
    (latih's own loop does). Steps at a small rate weigh little in the average, so a warm-up does no harm.

    Neither torch nor Keras has it. The authors' package keeps the largest rate so far in the weights c where the rate
    falls, as the paper does not, has the warm-up built in (here: `warmup(500)`) and defaults to lr 1; rates are ten
    times those of `nag` and more, as there is no momentum that would multiply them.

    When: the length of the run is open, or results are wanted at any time.
    It hurts with a schedule that falls (the average does that work already), and in batch norm: its running
    statistics are those of y, so recompute them after `eval()`.

    Source: Defazio et al., 2024, "The road less scheduled", equations 3 to 5 and the weights of algorithm 1.

    Raises `InputError` for lr ≤ 0, a momentum outside (0, 1) or weight_decay < 0.

    >>> import torch
    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> optimizer = schedule_free_sgd(lr=0.5)(layer)
    >>> layer(torch.ones(1)).backward()
    >>> optimizer.step()
    >>> optimizer.eval()   # layer.weight is the average now
    >>> optimizer.train()  # and again the point for the next gradient
    """
    between("schedule_free_sgd", "momentum", momentum)
    text = notation(schedule_free_sgd, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return OptimizerSpec(text, ScheduleFreeSGD, lr, weight_decay, {"momentum": momentum})
