"""What stands between two weighted layers; the choice decides whether gradients reach the first of them.

An activation that flattens on both sides (sigmoid, tanh) passes almost no gradient where it is flat: stacked, they make
gradients vanish. The rectifiers do not flatten for positive inputs. Each method states the initialisation that it wants
(`init`), where it is flat (`saturates`), and the exact factor on the weights that keeps the variance (`gain()`).

| name | when to use | paper |
|---|---|---|
| `relu` | the default for images; fastest | Nair & Hinton, 2010 |
| `leaky_relu` | units die under relu | Maas et al., 2013 |
| `prelu` | as leaky_relu, with much data: the slope is learned | He et al., 2015 |
| `rrelu` | as leaky_relu, with little data: the slope is random | Xu et al., 2015 |
| `relu6` | networks to be quantised | Krizhevsky, 2010 |
| `elu` | dense networks; outputs centred near 0 | Clevert et al., 2016 |
| `celu` | elu with a smooth slope for every alpha | Barron, 2017 |
| `selu` | deep plain dense networks, without any norm | Klambauer et al., 2017 |
| `gelu` | transformers | Hendrycks & Gimpel, 2016 |
| `silu` | deep convolutional networks (also called swish) | Elfwing et al., 2018 |
| `mish` | as silu, slightly steeper, slower | Misra, 2020 |
| `hardswish` | silu on small devices | Howard et al., 2019 |
| `softplus` | positive outputs: rates, scales | Dugas et al., 2001 |
| `logsigmoid` | log-probabilities in a loss | |
| `tanh` | recurrent networks, outputs in (-1, 1) | LeCun et al., 1998 |
| `hardtanh` | tanh on small devices | Collobert, 2004 |
| `softsign` | tanh that saturates later | Bergstra et al., 2009 |
| `sigmoid` | gates, probabilities; not hidden layers | Rumelhart et al., 1986 |
| `hardsigmoid` | gates on small devices | Courbariaux et al., 2015 |
| `tanhshrink` | sparse coding, denoising | |
| `softshrink` | sparse coding, denoising | Donoho, 1995 |
| `hardshrink` | sparse coding, denoising | Donoho & Johnstone, 1994 |
| `threshold` | a rectifier with another edge | |
| `softmax` | attention, class probabilities | Bridle, 1990 |
| `log_softmax` | class log-probabilities for a likelihood loss | |
| `softmin` | weights that fall with distance | |
| `glu` | gated convolutions and transformers; halves the features | Dauphin et al., 2017 |
| `identity` | linear layers | |

`swap` replaces the hidden activations of a whole model and redraws the weights that feed them.
"""

from ._base import Activation
from ._celu import celu
from ._elu import elu
from ._gelu import gelu
from ._glu import glu
from ._hardsigmoid import hardsigmoid
from ._hardswish import hardswish
from ._hardtanh import hardtanh
from ._identity import identity
from ._leaky_relu import leaky_relu
from ._mish import mish
from ._prelu import prelu
from ._relu import relu
from ._relu6 import relu6
from ._rrelu import rrelu
from ._selu import selu
from ._shrink import hardshrink, softshrink, tanhshrink
from ._sigmoid import sigmoid
from ._silu import silu
from ._softmax import log_softmax, softmax, softmin
from ._softplus import logsigmoid, softplus
from ._softsign import softsign
from ._swap import swap as swap
from ._swap_report import SwapReport as SwapReport
from ._tanh import tanh
from ._threshold import threshold

__all__ = [
    "Activation",
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]
