"""Starting weights that keep the signal's variance equal from layer to layer, forward and backward.

A layer that multiplies the variance by 0.5 leaves 2^-50 of it after 50 layers; one that doubles it explodes as fast.
Each rule below is the variance that makes the factor 1 for one kind of activation.

| name | when to use | paper |
|---|---|---|
| `glorot` | tanh, sigmoid, softmax, no activation | Glorot & Bengio, 2010 |
| `he` | ReLU and its relatives | He et al., 2015 |
| `lecun` | SELU | LeCun et al., 1998; Klambauer et al., 2017 |
| `orthogonal` | recurrent weights; very deep linear or tanh stacks | Saxe et al., 2014 |

`apply` fills every Linear and Conv layer of a model with one rule.
"""

from ._apply import apply as apply
from ._base import Initializer
from ._glorot import glorot
from ._he import he
from ._lecun import lecun
from ._orthogonal import orthogonal

__all__ = ["Initializer", "glorot", "he", "lecun", "orthogonal"]
