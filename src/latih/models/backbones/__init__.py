"""Pretrained networks by name, each with the preprocessing that it needs, ready for a new output layer.

What a network learnt from much data in its lower layers serves a task with little: `find` gives the network and its
weights as a `Backbone`, whose `build(outputs)` is that network with a fresh output layer and whose `inputs()` is the
stage in front. `rebuild` restores the architecture from the text that a run saved, without weights and network.

| name | when to use | source |
|---|---|---|
| `efficientnet-lite0` | images, offline: 3.4 million weights, trained on ImageNet | Tan & Le, 2019 |
| `timm:NAME` | images, when another architecture is wanted | Wightman, 2019 (PyTorch Image Models) |
| `hf:NAME-or-folder` | texts; images too; a folder works offline | Wolf et al., 2020 (Transformers) |
| `hf:all-MiniLM-L6-v2` | short English texts, little data, a CPU | Wang et al., 2020; Reimers & Gurevych, 2019 |
| `package.module:factory` | your own network, with its weights in a file | your code |

Nothing in a file is executed: weights are safetensors or plain tensors, and code that comes with weights is not run.
"""

from .._pixels import Pixels as Pixels
from ._base import Backbone
from ._find import find
from ._find import is_own as is_own
from ._limits import MOST_WEIGHTS as MOST_WEIGHTS
from ._rebuild import rebuild

__all__ = ["Backbone", "find", "rebuild"]
