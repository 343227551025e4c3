"""Putting a norm into a model that exists already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from latih import tape
from latih._checks import InputError, one_of
from latih._notation import build

from ._base import Norm, Where
from ._fed import activations_fed
from ._graft import Insertion, compare, graft, put_in, try_out
from ._places import places
from ._wires import copied, failing, record


def insert_batch_norm(
    model: nn.Module, batch: Any, where: Where | None = None, kind: str | Norm = "batch()", skip: Iterable[str] = ()
) -> Insertion:
    """Put a norm behind every hidden layer of a model that exists already, in place.

    Every Linear and convolutional layer that feeds an activation gets one, as the data flow of one batch shows,
    whatever the forward code looks like. Left alone, with the reason in the result: the head, layers with a norm
    already, layers that are used more than once, attention, and what no module stands for.

    Before the activation, the layer's module becomes `Sequential(layer, norm)`. Its bias is dropped if the norm takes
    out the mean: (Wx + b - mean)/std is the same for every b, so nothing is lost, and the shift that replaces it starts
    at 0 (the old b was in the unit of Wx, not in that of the result). Behind the activation, the activation's module
    becomes `Sequential(activation, norm)`; one that is called as a function, or that serves several layers, cannot be
    reached.

    The names of the moved parameters change (`fc.weight` becomes `fc.layer.weight`), and there are new and dropped
    ones: make a new optimizer, and see `renamed` before loading an old state. The norms have the layers' dtype, device
    and mode, and running statistics from the batch, so evaluation works at once. The model now computes something
    else: train it.

    Args:
        model: any module, not wrapped by `torch.compile` or DDP; changed in place.
        batch: `(inputs, targets)` or inputs alone, of at least two examples; only the inputs are used.
        where: "before" or "after" the activation; None for what `kind` says.
        kind: the norm, in notation or as made by a method of this family.
        skip: paths of layers to leave alone.

    Raises `InputError` with the model unchanged: where the model fails on the batch, or would fail or feed another
    activation once the norms are in (its code uses an attribute or the type of a replaced module); where `kind` is none
    or contradicts `where`; for a path in `skip` that is no layer.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> print(insert_batch_norm(net, torch.randn(32, 8)))
    layer  new norm  left because
    0      0.norm
    2      -         it is the head
    >>> type(net[0]).__name__, net[0].layer.bias
    ('Sequential', None)
    """
    spec = build("norm", kind) if isinstance(kind, str) else kind
    place = _place(where, spec)
    trial = copied("insert_batch_norm", model)
    before = tape.read(trial, batch)
    for name in set(skip) - {layer.name for layer in before.layers}:
        raise InputError(f"insert_batch_norm(skip={name!r}): there is no layer of that name on the batch's way.")
    with failing("insert_batch_norm(batch=...): the model fails on the batch ({error}); pass one that it takes."):
        wires = record(trial, batch)
    fed = activations_fed(trial, batch, wires) if place == "after" else None
    found, left = places(trial, before, wires, fed, spec, set(skip))
    drop = place == "before" and not spec.bias
    put_in(trial, found, drop)
    with failing(
        "insert_batch_norm(model): the model fails with the norms in ({error}); pass skip=... for the layers whose "
        "attributes or type its code uses."
    ):
        try_out(trial, batch, [one.norm for one in found])
    compare(before, tape.read(trial, batch), found, place)
    return graft(model, found, drop, left)


def _place(where: Where | None, spec: Norm) -> Where:
    if spec.build is None:
        raise InputError(f"insert_batch_norm(kind={spec.text!r}): there is nothing to insert; pass kind='batch()'.")
    if where is None:
        return spec.where
    one_of("insert_batch_norm", "where", where, ("before", "after"))
    if where == "before" and spec.where == "after":
        raise InputError(f"insert_batch_norm(where='before', kind={spec.text!r}): the two differ; leave one out.")
    return where
