"""Augmentation: show each epoch slightly different pictures of the same things, so that a network learns the things.

Everything works on whole batches (N, C, H, W), on the device the pictures lie on, and keeps their dtype and range. What
happens to a sample depends on (seed, epoch, index) alone: not on the batch it is in, nor on workers or processes. Join
methods with `>>`: `flip() >> shift(2)`.

| name | when to use | source |
|---|---|---|
| `none` | the control; data whose pixels must not move | |
| `flip` | photographs, clothing; not digits or letters | Krizhevsky et al., 2012 |
| `shift` | nearly always for pictures | LeCun et al., 1998 |
| `affine` | small sets of pictures | Simard et al., 2003 |
| `erase` | against overfitting on pictures of whole things | DeVries and Taylor, 2017 |
"""

from ._affine import affine
from ._base import Augment
from ._base import Draws as Draws
from ._base import Step as Step
from ._erase import erase
from ._flip import flip
from ._none import none
from ._shift import shift

__all__ = ["Augment", "affine", "erase", "flip", "none", "shift"]
