"""Phases: what of a pretrained network is trained, and in which order.

A fresh output layer sends large, meaningless gradients into the layers below it and would destroy what they know. So it
is trained alone first; then the layers next to it are unfrozen, and at last all of them, with tiny rates that fall
towards the input. Join phases with `>>`: `head(epochs=5) >> top() >> whole()`. A phase ends after its epochs, or
earlier when validation stops improving; one that improved nothing is taken back.

| name | when to use | source |
|---|---|---|
| `head` | first, always; alone where data are very few | Yosinski et al., 2014 |
| `top` | in between, where data are few and the net is deep | Howard and Ruder, 2018 |
| `whole` | last, where there are more than a few images a class | Howard and Ruder, 2018 |
"""

from ._base import Phase, Phases
from ._head import head
from ._top import top
from ._whole import whole

__all__ = ["Phase", "Phases", "head", "top", "whole"]
