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

The life of a batch norm in a model that exists already:

| function | what it does |
|---|---|
| `insert_batch_norm` | puts a norm behind every hidden layer (before or after its activation) |
| `pinned`, `unpinned`, `is_pinned` | fixes the statistics against every later `train()`, undoes it, tells |
| `recalibrate` | recomputes the statistics from data, for weights that have moved without them |
| `fold`, `foldable` | makes norms part of the layers in front, for evaluation; says which |
"""

from ._base import Norm
from ._batch import batch
from ._fold import fold as fold
from ._fold import foldable as foldable
from ._group import group
from ._insert import insert_batch_norm as insert_batch_norm
from ._layer import layer
from ._none import none
from ._pinned import is_pinned as is_pinned
from ._pinned import pinned as pinned
from ._pinned import unpinned as unpinned
from ._recalibrate import recalibrate as recalibrate
from ._rms import rms

__all__ = ["Norm", "batch", "group", "layer", "none", "rms"]
