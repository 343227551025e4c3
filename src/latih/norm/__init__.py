"""Standardising what flows between layers: each sees inputs of the same scale, whatever those below it learn.

All compute (x - mean)/sqrt(variance + eps)·γ + β; they differ in what the mean is taken over (N examples, C channels,
positions) and so in what they need: batch norm needs a large batch, the others do not care.

| name | when to use | paper |
|---|---|---|
| `batch` | images, dense networks; batches of 16 or more | Ioffe & Szegedy, 2015 |
| `layer` | sequences, transformers, recurrent networks | Ba et al., 2016 |
| `group` | images with small batches (detection, segmentation) | Wu & He, 2018 |
| `rms` | as layer, cheaper | Zhang & Sennrich, 2019 |
| `none` | selu networks; shallow networks | |
"""

from ._base import Norm
from ._batch import batch
from ._group import group
from ._layer import layer
from ._none import none
from ._rms import rms

__all__ = ["Norm", "batch", "group", "layer", "none", "rms"]
