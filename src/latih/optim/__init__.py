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
| `muon` | transformers and deep MLPs | Jordan et al., 2024 |

Weight decay is an L2 term in the gradient, except for `adamw`, `lion` and `muon`: those shrink the weights by lr times
it, as every optimizer of Keras does.
"""

from ._adagrad import adagrad
from ._adam import adam
from ._adamax import adamax
from ._adamw import adamw
from ._base import OptimizerSpec
from ._fast import fast_path as fast_path
from ._groups import decay_groups as decay_groups
from ._lion import Lion as Lion
from ._lion import lion
from ._method import Method as Method
from ._momentum import momentum
from ._muon import Muon as Muon
from ._muon import muon
from ._nadam import nadam
from ._nag import nag
from ._rmsprop import rmsprop
from ._sgd import sgd

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
    "rmsprop",
    "sgd",
]
