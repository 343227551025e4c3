"""The structure of any model, read from what autograd recorded of one batch.

The graph behind a loss is the model's true data flow: its nodes carry the op and the constants it was called with, its
leaves are the parameters. So the tape knows, for modules and functional calls alike, which activation each weighted
layer feeds and through what. It never guesses from names: what the graph cannot tell is called "unknown".

| name | what it is for |
|---|---|
| `read` | one recorded forward pass -> `Tape` |
| `Tape` | the layers in forward order, the parameters that the loss never reaches, what the loss does |
| `WeightedLayer` | one weight: kind, fans, the activation it feeds, what lies between, where it sits |
| `Activation` | name and constants, e.g. leaky_relu(negative_slope=0.2) |

The other names are the parts that `read` is made of, for rooms that look deeper.
"""

from ._base import Activation, Tape, WeightedLayer
from ._calls import Calls as Calls
from ._flow import flow as flow
from ._graph import Leaves as Leaves
from ._graph import Op as Op
from ._graph import ancestors as ancestors
from ._graph import read_ops as read_ops
from ._loss_path import LossPath as LossPath
from ._loss_path import loss_path as loss_path
from ._ops import SCALES as SCALES
from ._place import Place as Place
from ._read import read
from ._untouched import recording as recording
from ._untouched import untouched as untouched
from ._unwrap import call_model as call_model
from ._unwrap import mapped as mapped
from ._unwrap import split_batch as split_batch
from ._unwrap import tensors as tensors
from ._unwrap import unwrap as unwrap

__all__ = ["Activation", "Tape", "WeightedLayer", "read"]
