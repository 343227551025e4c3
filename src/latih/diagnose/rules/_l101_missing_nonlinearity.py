"""L101: layers in a row with nothing between them that bends."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._progress import ENOUGH, Curve
from .._trouble import learns_well, trouble
from .._wiring import all_linear, is_matrix, linear_pairs

MOST = 0.5
"""Share of the hidden layers beyond which the network as a whole is meant."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Two layers without a nonlinear function between them are one layer: W2 (W1 x + b1) + b2 = W x + b.

    The product has the rank of the narrowest width. So a middle narrower than both sides is a deliberate factorisation
    (an autoencoder's code, a low-rank layer) and says nothing; any other pair adds no function that one of the two
    could not compute. Batch norm and dropout between them change nothing about that, norms of single examples,
    products, attention and sums with other signals do, and factors of kernels (depthwise and pointwise, rows and
    columns) are meant. Pooling may be an average, which is linear: without any activation in the network it is counted
    so where the run is in trouble. A table of vectors before a linear layer does not count: its lookup is not linear
    in the tokens.

    A warning when the whole network is linear and the run is in trouble, has stopped falling, or has not learned well
    in 96 updates; before a run, where more than one pair is superfluous or a small batch cannot be fitted. The same
    where more than half of the hidden layers pass on their values unbent, but only in trouble or once the loss has
    stopped falling; one pair in a network that bends elsewhere is worth an info.
    """
    if not record.layers:
        return NotApplicable("the structure could not be read")
    hidden = [layer for layer in record.layers if is_matrix(layer) and not layer.is_head]
    if not hidden:
        return NotApplicable("there are no two layers in a row")
    pairs, whole, fails = linear_pairs(record), all_linear(record), trouble(record)
    if not pairs and fails is not None and all_linear(record, pooled=True):
        pairs, whole = linear_pairs(record, pooled=True), True
    if not pairs:
        return []
    share = len({first.name for first, _ in pairs}) / len(hidden)
    grave = _grave(record, whole, share, len(pairs), fails is not None)
    first, second = pairs[0]
    evidence = {
        "pairs": [f"{one.name} > {two.name}" for one, two in pairs],
        "share of hidden layers": round(share, 3),
        "threshold": MOST,
        "whole network linear": whole,
    }
    evidence |= fails or {}
    many = "the whole network is one linear map" if whole else f"{len(pairs)} pairs of layers are one layer each"
    return [
        Finding(
            "L101",
            "missing-nonlinearity",
            "warning" if grave else "info",
            first.name,
            evidence,
            f"Nothing bends between {first.name} and {second.name}, so {many} and depth adds no function.",
            f"Put an activation between them: x = F.relu(self.{first.name}(x))  # and keep the result",
            ("insert_activation",),
            weight=2.0 if whole else 1.2,
        )
    ]


def _grave(record: Record, whole: bool, share: float, pairs: int, fails: bool) -> bool:
    """It is most of the network, and the run shows what it costs."""
    if learns_well(record) or not (whole or share > MOST):
        return False
    if fails:
        return True
    if record.probes is not None and not record.losses:
        return whole and pairs > 1
    curve = Curve.of(record)
    if len(curve) < 4 * ENOUGH:  # a linear network may be what the data want: give it time
        return whole and len(curve) >= ENOUGH and not (curve.learns is not False and curve.falling > 3)
    return whole or curve.falling < 3


RULE = Rule("L101", "missing-nonlinearity", judge)
