"""Starting weights that keep the signal's variance equal from layer to layer, forward and backward.

A layer that multiplies the variance by 0.5 leaves 2^-50 of it after 50 layers; one that doubles it explodes as fast.
Each rule below is the variance that makes the factor 1 for one kind of activation.

| name | when to use | paper |
|---|---|---|
| `glorot` | tanh, sigmoid, softmax, no activation | Glorot & Bengio, 2010 |
| `he` | ReLU and its relatives | He et al., 2015 |
| `lecun` | SELU | LeCun et al., 1998; Klambauer et al., 2017 |
| `variance_scaling` | any other activation, with the scale 1/E[f(z)²] | He et al., 2015 |
| `normal` | embeddings; a published std | Press & Wolf, 2017 |
| `orthogonal` | recurrent weights; very deep linear or tanh stacks | Saxe et al., 2014 |
| `delta_orthogonal` | very deep plain convolutional networks | Xiao et al., 2018 |

Three functions choose or fit for a whole model: `initialize` (which is `latih.initialize`) reads the activation that
each layer feeds and gives it the rule that fits; `lsuv` measures one batch and rescales until every output has
variance 1; `apply` fills every Linear and Conv layer with one rule.
"""

from ._apply import apply as apply
from ._base import Initializer
from ._delta_orthogonal import delta_orthogonal
from ._glorot import glorot
from ._he import he
from ._initialize import initialize as initialize
from ._lecun import lecun
from ._lsuv import lsuv as lsuv
from ._normal import normal
from ._orthogonal import orthogonal
from ._table import InitRow as InitRow
from ._table import InitTable as InitTable
from ._variance_scaling import variance_scaling

__all__ = [
    "Initializer",
    "delta_orthogonal",
    "glorot",
    "he",
    "lecun",
    "normal",
    "orthogonal",
    "variance_scaling",
]
