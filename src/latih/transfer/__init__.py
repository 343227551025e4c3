"""Reuse what another task has taught a network: freeze it, give it a new output layer, unfreeze it step by step.

`latih.fine_tune(model, train, valid)` is the whole way. Its parts serve a loop of your own: `freeze` holds (weights,
statistics, dropout) until it is undone, `replace_head` finds the output layer in the data flow, `cached` computes the
features of a frozen part once. What is trained when is written in the family `phases`.

| name | what it is for |
|---|---|
| `fine_tune` | the whole of transfer learning as one call |
| `freeze`, `Frozen` | hold a part of a network truly still, and undo it |
| `find_head`, `replace_head` | the output layer: find it, replace it |
| `cached`, `features_of`, `why_not`, `widened` | features computed once; whether that could change the result |
"""

from ._cacheable import why_not
from ._features import cached
from ._freeze import freeze
from ._frozen import Frozen
from ._head import find_head, replace_head
from ._job import Told as Told
from ._job import run_job as run_job
from ._prepare import Prepared as Prepared
from ._prepare import prepare as prepare
from ._received import features_of
from ._records import begun as begun
from ._verb import fine_tune
from ._widened import widened

__all__ = ["Frozen", "cached", "features_of", "find_head", "fine_tune", "freeze", "replace_head", "why_not", "widened"]
