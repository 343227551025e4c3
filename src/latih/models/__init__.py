"""Networks by name, for whoever has data and no code; every layer initialised to fit the activation that it feeds.

| name | when to use | paper |
|---|---|---|
| `mlp` | vectors and tables; small images; to study depth | Rumelhart et al., 1986 |
| `cnn` | images, a fast first answer | LeCun et al., 1998 |
| `resnet` | images, when more depth pays | He et al., 2016 |

`load_weights` puts pretrained weights into any module, by name and shape.
"""

from ._base import ModelSpec
from ._cnn import cnn
from ._factory import call_factory as call_factory
from ._inputs import Featurize as Featurize
from ._inputs import Rescale as Rescale
from ._inputs import Standardize as Standardize
from ._inputs import moments as moments
from ._mlp import mlp
from ._resnet import resnet
from ._weights import load_weights as load_weights
from ._weights_report import Loaded as Loaded

__all__ = ["ModelSpec", "cnn", "mlp", "resnet"]
