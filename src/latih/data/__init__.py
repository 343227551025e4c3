"""Sources of examples: named sets, arrays, tables and folders of pictures, all read by `load`.

Every source becomes `Data`: examples to train on, validate on and test on, and the schema by which `predict` reads new
inputs the same way. Nothing is unpickled, nothing is adjusted silently (`Data.notes` says what was), and whatever is
random (the split, the order, `augment`) is a function of the seed and the example alone.

| source | what it is |
|---|---|
| `"fashion-mini"`, `"fashion-mnist"`, `"mnist"` | named sets: inside latih, on this machine, or fetched and checked |
| `data.npz` | `x` and `y`, or `x_train`, `y_train`, `x_valid`, `y_valid`, `x_test`, `y_test` |
| `data.csv`, `.tsv`, `.parquet` | a table with a target column; with a tokenizer, one column of it is read as text |
| `folder/` | pictures in one folder a class |
"""

from ._adapt import as_examples as as_examples
from ._adapt import peek_targets as peek_targets
from ._base import Batch as Batch
from ._base import Data as Data
from ._base import Examples as Examples
from ._base import Inputs as Inputs
from ._base import Schema as Schema
from ._base import Task as Task
from ._images import ImageSchema as ImageSchema
from ._load import load as load
from ._named import NAMED as NAMED
from ._npz import ArraySchema as ArraySchema
from ._random import permutation as permutation
from ._random import uniform as uniform
from ._split import split as split
from ._split import split_notes as split_notes
from ._table import TableSchema as TableSchema
from ._tensors import TensorExamples as TensorExamples
from ._text_schema import TextSchema as TextSchema

AnySchema = ArraySchema | TableSchema | ImageSchema | TextSchema
"""For msgspec: decode a saved schema of any kind."""
