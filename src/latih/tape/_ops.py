"""The op table: what each name that autograd writes on a node means for the structure of a model."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from torch.autograd.function import BackwardCFunction
from torch.nn.modules._functions import SyncBatchNorm


def words(names: str) -> frozenset[str]:
    """The names in a line of names."""
    return frozenset(names.split())


LOSSES = {
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "MseLoss": "mse",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
    "MultiMarginLoss": "multi_margin",
    "MultilabelMarginLoss": "multilabel_margin",
    "SoftMarginLoss": "soft_margin",
    "CtcLoss": "ctc",
    "CudnnCtcLoss": "ctc",
}

# What stands between a layer and its activation; "" is not worth a word.
_BETWEEN = {
    "batch_norm": "NativeBatchNorm CudnnBatchNorm MiopenBatchNorm BatchNormWithUpdate SyncBatchNorm",
    "layer_norm": "NativeLayerNorm",
    "group_norm": "NativeGroupNorm",
    "rms_norm": "FusedRmsNorm rms_norm",
    "instance_norm": "instance_norm",
    "local_response_norm": "local_response_norm",
    "normalize": "normalize",
    "dropout": "NativeDropout FusedDropout dropout",
    "pool": "Mean Sum Amax Amin Max Min Logsumexp pool",
    "cat": "Cat Stack CopySlices",
    "mask": "MaskedFill Tril Triu",
    "pad": "ConstantPadNd",
    "resize": "GridSampler2D GridSampler3D MaxUnpool2D MaxUnpool3D PixelShuffle PixelUnshuffle",
    "view": "View UnsafeView ReshapeAlias Transpose T Permute Squeeze Unsqueeze Expand Select Slice Split "
    "UnsafeSplit SplitWithSizes UnsafeSplitWithSizes Unbind Narrow Index IndexSelect Gather AsStrided Flip Roll Repeat "
    "Unfold Diagonal Movedim Swapaxes",
    "": "Clone ToCopy Alias Contiguous Lift CopyBackwards",
}
_LABELS = {op: label for label, ops in _BETWEEN.items() for op in ops.split()}

SPLITS = words("Split UnsafeSplit SplitWithSizes UnsafeSplitWithSizes Unbind")
PARTS = SPLITS | words("Select Slice Narrow Index")
RESHAPES = words("View UnsafeView ReshapeAlias")
SUMS = words("Add Sub Rsub")
SCALES = words("Mul Div")
DOTS = words("Dot Vdot")

# positions of the two factors, and of the bias, among a node's inputs
FACTORS = {
    "Mm": (0, 1, None),
    "Bmm": (0, 1, None),
    "Mv": (0, 1, None),
    "Matmul": (0, 1, None),
    "Addmm": (1, 2, 0),
    "Addmv": (1, 2, 0),
    "Baddbmm": (1, 2, 0),
    "Addbmm": (1, 2, 0),
    "Linear": (0, 1, 2),
}
EMBEDDINGS = words("Embedding EmbeddingBag")


def op_name(node: Any) -> str:
    """`ReluBackward0` is "Relu"; a Python-defined function is "custom" whatever its author called it.

    >>> import torch
    >>> op_name(torch.ones(1, requires_grad=True).relu().grad_fn)
    'Relu'
    """
    if isinstance(node, BackwardCFunction):
        return "SyncBatchNorm" if getattr(type(node), "_forward_cls", None) is SyncBatchNorm else "custom"
    return _stem(node.name())


@cache
def _stem(name: str) -> str:
    return re.sub(r"Backward\d*$", "", name)


def is_convolution(op: str) -> bool:
    """Whether `op` is one of the many names of a convolution."""
    return "Conv" in op


def label(op: str) -> str | None:
    """What to call an op that a signal merely passes through; None for any other op."""
    if op in _LABELS:
        return _LABELS[op]
    if "Pool" in op:
        return "pool"
    if "Upsample" in op:
        return "resize"
    return "pad" if re.fullmatch(r"Re(flection|plication)Pad[123]D", op) else None


def saved(node: Any, key: str) -> Any:
    """A constant that autograd saved on `node`; None if it saved none by that name."""
    value = getattr(node, f"_saved_{key}", None)
    # autograd shows negative dimensions as unsigned
    return value - 2**64 if isinstance(value, int) and value >= 2**63 else value
