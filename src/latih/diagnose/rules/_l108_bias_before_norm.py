"""L108: a bias that a batch norm takes back."""

from __future__ import annotations

from latih.watch import Norm, Record

from .._base import Finding, NotApplicable, Rule
from .._stuck import stuck


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Batch norm subtracts the mean of each feature, and with it whatever bias the layer in front has added.

    BN(W x + b) = BN(W x): the bias gets a gradient of 0 and only costs memory, which is an info. Behind the last layer,
    and without a shift of its own, it is worse: outputs then have mean 0 and deviation 1 in every batch, whatever the
    targets are. A warning there, if the loss stays at the best constant output's or several times above it.
    """
    if not record.norms:
        return NotApplicable("there is no normalisation")
    last = _last(record)
    second = stuck(record) if last is not None else None
    if last is not None and second is not None:
        return [_outputs(last, second)]
    found = [norm.name for norm in record.norms if norm.after_bias and norm.training]
    if not found:
        return []
    return [
        Finding(
            "L108",
            "bias-before-norm",
            "info",
            found[0],
            {"norms": found},
            "Batch norm takes the mean of each feature away, and with it the bias of the layer in front.",
            "nn.Linear(n_in, n_out, bias=False)  # in front of a batch norm",
            (),
            weight=0.1,
        )
    ]


def _last(record: Record) -> Norm | None:
    """The batch norm that the outputs come from, if it has no scale and shift."""
    heads = [layer for layer in record.layers if layer.is_head]
    ends = len(heads) == 1 and heads[0].between[:1] == ["batch_norm"] and heads[0].activation == "none"
    norm = record.norms[-1]
    return norm if ends and norm.kind == "batch_norm" and not norm.affine and norm.training else None


def _outputs(norm: Norm, second: dict) -> Finding:
    return Finding(
        "L108",
        "bias-before-norm",
        "warning",
        norm.name,
        {"scale and shift behind the last layer": None, **second},
        f"{norm.name} is the last step and has no shift: it takes the last bias away, so the outputs of every batch "
        "have mean 0 and deviation 1, whatever the targets are.",
        "Let the last layer be the end: remove the norm behind it.",
        (),
        weight=2.0,
    )


RULE = Rule("L108", "bias-before-norm", judge)
