"""Optimizers: specs that become torch optimizers when they are given a model.

`nag(lr=0.02)(model)` is a `torch.optim.Optimizer` on torch's fastest path for the model's device, with weight decay
only on the weights that it is for. The same spec can be named in a recipe (`spec.text`) and changed
(`spec.with_(lr=0.1)`).

| name | when to use | source |
|---|---|---|
| `sgd` | the reference to compare with | Robbins and Monro, 1951 |
| `momentum` | better than `sgd` nearly always | Polyak, 1964 |
| `nag` | the first plain method to try | Nesterov, 1983 |
| `adagrad` | rare features, convex tasks | Duchi et al., 2011 |
| `rmsprop` | recurrent networks | Tieleman and Hinton, 2012 |
| `adam` | the default that needs the least tuning | Kingma and Ba, 2015 |
| `adamax` | rare, large gradients | Kingma and Ba, 2015 |
| `nadam` | where `adam` works but comes down slowly | Dozat, 2016 |
| `adamw` | the default with weight decay | Loshchilov and Hutter, 2019 |
| `lion` | large batches, half of the optimizer's memory | Chen et al., 2023 |
| `muon` | transformers, deep MLPs, convolutional networks | Jordan et al., 2024 |
| `nesterov` | the published look-ahead, to compare with the literature and Keras | Nesterov, 1983 |
| `schedule_free_sgd` | the run's length is open; instead of `nag` with a schedule | Defazio et al., 2024 |
| `schedule_free_adamw` | the run's length is open; instead of `adamw` with a schedule | Defazio et al., 2024 |

Weight decay is an L2 term in the gradient, except for `adamw`, `lion`, `muon` and `schedule_free_adamw`: those shrink
the weights by lr times it, as every optimizer of Keras does.

`nesterov` and the schedule-free methods train at one point and have their result at another. A loop calls
`optimizer.eval()` before it evaluates or saves weights for use, and `optimizer.train()` before it goes on; the other
optimizers have neither method, so `getattr(optimizer, "eval", None)` tells them apart.

Around the methods: `groups` makes parameter groups by role, with a rate for each layer on request; `table` prints what
an optimizer does to which parameters; `migrate` carries its state over by name when groups or the frozen set change.
"""

from ._adagrad import adagrad
from ._adam import adam
from ._adamax import adamax
from ._adamw import adamw
from ._base import OptimizerSpec
from ._blocks import Blocks as Blocks
from ._fast import fast_path as fast_path
from ._groups import decay_groups as decay_groups
from ._groups import groups as groups
from ._lion import Lion as Lion
from ._lion import lion
from ._method import Method as Method
from ._migrate import Migration as Migration
from ._migrate import migrate as migrate
from ._momentum import momentum
from ._muon import Muon as Muon
from ._muon import muon
from ._nadam import nadam
from ._nag import nag
from ._nesterov import Nesterov as Nesterov
from ._nesterov import nesterov
from ._rmsprop import InsideRMSprop as InsideRMSprop
from ._rmsprop import rmsprop
from ._schedule_free import ScheduleFree as ScheduleFree
from ._schedule_free_adamw import ScheduleFreeAdamW as ScheduleFreeAdamW
from ._schedule_free_adamw import schedule_free_adamw
from ._schedule_free_sgd import ScheduleFreeSGD as ScheduleFreeSGD
from ._schedule_free_sgd import schedule_free_sgd
from ._sgd import sgd
from ._switch import Switching as Switching
from ._table import table as table

__all__ = [
    "OptimizerSpec",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "lion",
    "momentum",
    "muon",
    "nadam",
    "nag",
    "nesterov",
    "rmsprop",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "sgd",
]
