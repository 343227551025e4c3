"""The learning rate to train with, tried before it is suggested.

`latih.find_lr(model, train)` sweeps the rate from tiny to huge, reads from the curve where the loss is lowest, and lets
rates below that train for a while: the best is the answer. Nothing of it is left on the model.

| name | what it is for |
|---|---|
| `find_lr` | the whole search as one call |
| `LrFinding` | what it returns: the rate, the curve, what was tried, why it stopped |
| `sweep` | the range test alone |
"""

from ._finding import LrFinding
from ._job import lr_job as lr_job
from ._sweep import Swept as Swept
from ._sweep import sweep
from ._validate import Candidate as Candidate
from ._verb import Range as Range
from ._verb import find_lr
from ._verb import search as search

__all__ = ["LrFinding", "find_lr", "sweep"]
