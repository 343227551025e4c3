"""Which op is a weighted layer, and of what kind and width."""

from __future__ import annotations

from math import prod

from ._calls import RECURRENT
from ._graph import Op
from ._ops import DOTS, EMBEDDINGS, FACTORS, RESHAPES, SCALES, SUMS, is_convolution, label, saved
from ._place import Place, Use, carries


def find_layers(op: Op, place: Place, places: dict[Op, Place]) -> None:
    """Write into `place` the layers that `op` is, if it is any."""
    if op.name in FACTORS or is_convolution(op.name):
        _factors(op, place, places)
    elif op.name in EMBEDDINGS and carries(op.sources[0], places) == "weight":
        _layer(op, place, places, 0, (), "embedding", (1, op.shape(0)[-1]))
    elif op.name == "Trilinear":
        _trilinear(op, place, places)
    elif op.name in RECURRENT:
        _recurrent(op, place)
    elif op.name == "custom":
        _custom(op, place, places)


def _factors(op: Op, place: Place, places: dict[Op, Place]) -> None:
    left, right, bias = FACTORS.get(op.name, (0, 1, 2))
    kinds = carries(op.sources[left], places), carries(op.sources[right], places)
    if "weight" in kinds and "signal" not in kinds and bias is None and _becomes_weight(op):
        return
    at = right if kinds[1] == "weight" else left if kinds[0] == "weight" and op.name in FACTORS else None
    if at is None:
        place.role = "fixed" if "constant" in kinds else "product"
        return
    added = op.sources[bias] if bias is not None and bias < len(op.sources) else None
    names = places[added].parameters if added is not None and places[added].carries == "weight" else ()
    if op.name in FACTORS:
        _layer(op, place, places, at, names, "linear", _linear_fans(op.shape(at), op.name, at == left))
    else:
        _layer(op, place, places, at, names, *_convolution(op, op.shape(at)))


def _layer(
    op: Op, place: Place, places: dict[Op, Place], at: int, bias: tuple[str, ...], kind: str, fans: tuple[int, int]
) -> None:
    weight = places[op.sources[at]]  # type: ignore[index]
    place.role = "layer"
    place.uses = (Use(kind, weight.parameters, bias, op.shape(at), fans, weight.part),)


def _linear_fans(shape: tuple[int, ...], op: str, weight_first: bool) -> tuple[int, int]:
    if op == "Linear" or weight_first:
        return shape[-1], prod(shape[-2:-1])
    return prod(shape[-2:-1] or shape), prod(shape[1:][-1:])  # a vector has one output


def _convolution(op: Op, shape: tuple[int, ...]) -> tuple[str, tuple[int, int]]:
    transposed = bool(saved(op.node, "transposed")) or "Transpose" in op.name
    groups, kernel = saved(op.node, "groups") or 1, prod(shape[2:])
    kind = f"conv_transpose{len(shape) - 2}d" if transposed else f"conv{len(shape) - 2}d"
    if transposed:
        return kind, (shape[0] // groups * kernel, shape[1] * kernel)
    return kind, (shape[1] * kernel, shape[0] // groups * kernel)


def _trilinear(op: Op, place: Place, places: dict[Op, Place]) -> None:
    if carries(op.sources[1], places) == "weight" and len(op.shape(1)) == 3:
        out, first, second = op.shape(1)
        _layer(op, place, places, 1, (), "bilinear", (first * second, out))


def _recurrent(op: Op, place: Place) -> None:
    assert op.call is not None
    place.role = "layer"
    place.uses = tuple(
        Use(
            op.name,
            op.names.get(matrix.node, ()),
            op.names.get(matrix.bias, ()),
            matrix.shape,
            (matrix.shape[1], matrix.shape[0] // matrix.blocks),
            recurrent=matrix.recurrent,
            blocks=matrix.blocks,
        )
        for matrix in op.call.matrices
    )


def _custom(op: Op, place: Place, places: dict[Op, Place]) -> None:
    weights = [
        at for at, source in enumerate(op.sources) if carries(source, places) == "weight" and len(op.shape(at)) > 1
    ]
    if weights and len(op.sources) > 1 and any(carries(source, places) == "signal" for source in op.sources):
        _layer(op, place, places, weights[0], (), "unknown", (0, 0))


def late_bias(op: Op, place: Place, places: dict[Op, Place]) -> None:
    """`x @ weight + bias`, written out, is a layer with a bias."""
    if op.name == "Add" and len(op.sources) == 2:
        kinds = [carries(source, places) for source in op.sources]
        if sorted(kinds) == ["signal", "weight"]:
            signal, at = op.sources[kinds.index("signal")], kinds.index("weight")
            layer = _layer_right_behind(signal, places)
            bias = places[op.sources[at]].parameters  # type: ignore[index]
            if layer is not None and not layer.bias and len(bias) == 1 and prod(op.shape(at)) == _width(layer):
                layer.bias = bias
                place.role = "bias"


def _width(layer: Use) -> int:
    return layer.fans[1] if layer.kind == "linear" else layer.shape[0]


def _layer_right_behind(op: Op | None, places: dict[Op, Place]) -> Use | None:
    while op is not None and not places[op].uses and op.name in RESHAPES and len(op.consumers) == 1:
        op = op.sources[0]
    return places[op].uses[0] if op is not None and len(places[op].uses) == 1 else None


def _becomes_weight(op: Op) -> bool:
    """Whether a product of weights is itself used as a weight, as in a low-rank update or a spectral norm."""
    for _ in range(50):  # a chain of views, scales and sums
        if len(op.consumers) != 1:
            return False
        source, op = op, op.consumers[0]
        if op.name in FACTORS or is_convolution(op.name):
            return op.sources.index(source) == FACTORS.get(op.name, (0, 1, 2))[1]
        if label(op.name) not in ("", "view") and op.name not in SUMS | SCALES | DOTS:
            return False
    return False
