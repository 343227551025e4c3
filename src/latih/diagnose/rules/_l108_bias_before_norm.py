"""L108: a bias that a batch norm takes back."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Batch norm subtracts the mean of each feature, and with it whatever bias the layer in front has added.

    BN(W x + b) = BN(W x): the bias gets a gradient of 0 and only costs memory. Never more than an info.
    """
    if not record.norms:
        return NotApplicable("there is no normalisation")
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


RULE = Rule("L108", "bias-before-norm", judge)
