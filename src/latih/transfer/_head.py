"""The output layer: found on the tape, and replaced by a fresh one for other classes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from latih._checks import InputError, whole

from ._head_counts import tell
from ._head_layer import fresh, outputs
from ._head_search import found, look, named, usable


def find_head(model: nn.Module, batch: Any, *, head: str | None = None) -> str:
    """Find the path of the layer that makes the model's output, on the tape of one batch and never by name.

    A head is the one layer after which no weight comes: a Linear, a convolution with kernel 1, or transformers' Conv1D,
    whose weight no other module holds. The model is left bit-identical.

    Args:
        model: any module; `torch.compile`, `DataParallel` and DDP are looked through.
        batch: `(inputs, targets)`, or inputs alone: a tensor, or a dict for `model(**inputs)`.
        head: the path of the head, or of a module whose last layer it is, where the tape cannot tell; it is checked.

    Raises `InputError` with the candidates where there are several heads, none, or one that cannot be replaced
    (recurrent, attention, tied to an embedding, used twice, a bare parameter, the end of a residual branch), for a path
    that is no such layer, and for a model that is lazy, on the meta device, or fails on the batch.

    >>> import torch
    >>> end = nn.Sequential(nn.Dropout(0.1), nn.Linear(16, 3))
    >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), end, nn.Softmax(-1))
    >>> find_head(net, torch.randn(4, 8))
    '2.1'
    """
    model = usable("find_head", model)
    return found("find_head", model, batch) if head is None else named("find_head", model, head, batch)


def replace_head(model: nn.Module, classes: int, batch: Any = None, *, head: str | None = None, seed: int = 0) -> str:
    """Replace the layer that makes the model's output by a fresh one with `classes` outputs; return its path.

    The new layer has the kind, inputs, dtype, device, mode and hooks of the old one, and a bias where that had one. Its
    weights are drawn as `latih.initialize` draws a head's, by `glorot()` (Var = 2/(fan_in + fan_out)), its bias is 0,
    and it is trainable. Nothing else of the model changes, except that `num_classes` and `num_labels` of the modules
    that hold the head, and of their transformers config with its names of labels, are corrected where they gave the
    old number. The caller's random state stays as it was.

    Args:
        model: any module, changed in place; `torch.compile` and `DataParallel` are looked through.
        classes: outputs of the new head, at least 1.
        batch: as for `find_head`; with one, the model is also run with its new head. Not needed where `head` is given.
        head: the path of the head, or of a module whose last layer it is; without it, the tape of the batch tells.
        seed: decides the weights.

    Raises `InputError` where `find_head` does; for classes below 1; without batch and head; for a model in
    `DistributedDataParallel`; and where the model does not run with the new head, or its output does not follow it.
    The model is then as it was.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1000))
    >>> replace_head(net, 5, torch.randn(4, 8))
    '2'
    >>> net[2]
    Linear(in_features=16, out_features=5, bias=True)
    """
    whole("replace_head", "classes", classes, 1)
    whole("replace_head", "seed", seed, 0)
    if batch is None and head is None:
        raise InputError("replace_head(batch=None): the head is found on a batch; pass one, or head='path'.")
    if isinstance(model, nn.Module) and any(isinstance(part, DistributedDataParallel) for part in model.modules()):
        raise InputError(
            "replace_head(model=DistributedDataParallel): it would not synchronise weights that come after it; replace "
            "the head first, then wrap the model."
        )
    model = usable("replace_head", model)
    path = found("replace_head", model, batch) if head is None else named("replace_head", model, head, batch)
    shape = None if batch is None else look(model, batch).output_shape
    old = model.get_submodule(path)
    with ExitStack() as undo:
        _put(model, old, fresh(old, classes, seed), undo)
        tell(model, path, outputs(old), classes, undo)
        if shape is not None:
            _check_run(model, batch, path, shape, outputs(old), classes)
        undo.pop_all()
    return path


def _put(model: nn.Module, old: nn.Module, new: nn.Module, undo: ExitStack) -> None:
    """Everywhere in the model that `old` is registered, under several names even."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is old:
                parent._modules[name] = new
                undo.callback(parent._modules.__setitem__, name, old)


def _check_run(model: nn.Module, batch: Any, path: str, shape: tuple[int, ...], before: int, classes: int) -> None:
    call = f"replace_head(classes={classes})"
    try:
        now = look(model, batch).output_shape
    except InputError as error:
        raise InputError(
            f"{call}: the model does not run with {classes} outputs at {path!r} ({str(error).rstrip('.')}); "
            "name the layer that makes the output with head='path'."
        ) from error
    if shape and (now[:1] != shape[:1] or (now == shape) != (before == classes)):
        raise InputError(
            f"{call}: with {classes} outputs instead of {before} at {path!r} the model's output has shape {now} "
            f"instead of {shape}, so it does not follow that layer; name the one that makes it with head='path'."
        )
