"""Another hidden activation for a whole model."""

from __future__ import annotations

from typing import Any

from torch import nn

from latih._checks import InputError
from latih._notation import build
from latih.tape import Tape, read, unwrap

from . import _swap_order as order
from ._base import Activation
from ._swap_calls import swap_calls
from ._swap_init import feeders, refill, refill_modules
from ._swap_known import MODULES
from ._swap_order import ASK
from ._swap_record import Recording, record
from ._swap_report import Place, SwapReport
from ._swap_roles import REASONS, why
from ._swap_selu import RECURRENT, alpha_dropout, unmet
from ._swap_sites import Site, find, replace, same

_ALREADY = "it is that already"
_NAMES = frozenset(MODULES.values())


def swap(model: nn.Module, to: str | Activation, batch: Any = None, *, initialise: bool = True) -> SwapReport:
    """Replaces every hidden activation of a model in place, and redraws the weights of the layers that feed it.

    Reached are activation modules (under every name they go by), also those of your own that bend each number by itself
    and have no parameters, functions held in attributes (`nn.TransformerEncoderLayer(activation=F.relu)`), and calls
    such as `F.relu(x)` where torch.fx can trace the forward around them faithfully; a traced forward is only used if it
    repeats the original bit for bit on the batch. Never touched are the output's activation, gates (multiplied with
    another signal: LSTM, squeeze and excite, GLU), softmax, and the functions inside nn.RNN, nn.LSTM and nn.GRU. What
    is left is listed with the reason.

    With a `batch`, as for `latih.tape.read`, the data flow decides what is hidden. Without one, only what the order of
    definition leaves no doubt about is swapped: pass one. The batch costs a few forward passes and no backward pass.

    The layers that feed a swapped activation are filled by the rule that it wants (`to.init`), their biases zeroed, as
    training from the start needs; `initialise=False` keeps them, for weights that are already trained. All other
    weights stay bit-identical. A new activation with parameters (`prelu`) needs a new optimizer.

    SELU also turns dropout modules into AlphaDropout with the same p, once nothing hidden is left, and the report
    lists which of its preconditions do not hold: one plain sequence of layers, LeCun's variance, an input of mean 0 and
    variance 1.

    When: sigmoid or tanh stacks whose first layers do not learn; units that die under `relu`.
    It hurts on a trained model: what the weights have learned belongs to the old function. A model with a traced
    forward saves its `state_dict` as before, but cannot be pickled whole.

    Raises `InputError` for an activation that mixes its inputs (softmax, glu), and for a model or batch that cannot be
    read; the model is then unchanged.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1), nn.Sigmoid())
    >>> print(swap(net, "leaky_relu(0.2)", torch.randn(4, 8)))
    1 swapped to leaky_relu(slope=0.2), 1 left
    <BLANKLINE>
    swapped                        was          note
    1                              sigmoid      module
    <BLANKLINE>
    left                           was          note
    3                              sigmoid      the output: no layer comes after it
    <BLANKLINE>
    drawn anew by he(slope=0.2): 0.weight
    """
    spec = _spec(to)
    if not isinstance(model, nn.Module):
        raise InputError(f"swap(model={type(model).__name__}): the model must be a torch.nn.Module; pass the module.")
    model = unwrap(model)
    before = None if batch is None else read(model, batch)
    sites = find(model)
    seen = None if batch is None else record(model, batch, sites)
    report = SwapReport(spec.text, init=spec.init)
    fed = _swap_sites(model, sites, spec, seen, report)
    swap_calls(model, spec, seen, report)
    report.left += [
        Place(path, "rnn", "a recurrent layer keeps the function of its state")
        for path, module in model.named_modules()
        if isinstance(module, nn.RNNBase | nn.RNNCellBase)
    ]
    after = _weights(model, batch, spec, before, fed, report, initialise)
    if spec.text == "selu()" and report.swapped:
        _self_normalise(model, batch, seen, after, report)
    return report


def _spec(to: str | Activation) -> Activation:
    spec = build("activations", to) if isinstance(to, str) else to
    if not isinstance(spec, Activation):
        raise InputError(f"swap(to={type(to).__name__}): to must be an activation; write 'selu' or activations.selu().")
    if not spec.elementwise:
        raise InputError(f"swap(to={spec.text!r}): it mixes its inputs, so it cannot be hidden; take 'selu', say.")
    return spec


def _swap_sites(
    model: nn.Module, sites: list[Site], spec: Activation, seen: Recording | None, report: SwapReport
) -> list[nn.Module]:
    """Replace what is hidden; without a batch, return the layers that are known to feed it."""
    fed = []
    # judged before the first replacement, which would change what comes after what
    reasons = [order.reason_to_leave(model, one) if seen is None else why(seen.sites.get(one.key, [])) for one in sites]
    for site, reason in zip(sites, reasons, strict=True):
        where = ", ".join(site.paths)
        if not reason and same(site.module, spec):
            reason = _ALREADY
        if reason:
            report.left.append(Place(where, site.was, reason))
            continue
        report.swapped.append(Place(where, site.was, site.how))
        before = None if seen is not None else order.feeding(model, site)
        if before is not None:
            fed.append(before)
        elif seen is None:
            report.kept.append(Place(where, site.was, f"which layer feeds it: {ASK}"))
        replace(site, spec, model)
    return fed


def _weights(
    model: nn.Module,
    batch: Any,
    spec: Activation,
    before: Tape | None,
    fed: list[nn.Module],
    report: SwapReport,
    initialise: bool,
) -> Tape | None:
    """Fill the layers that feed a new activation and name those that feed an old one; the tape after the swap."""
    new = spec.text.split("(")[0]
    if before is None:
        if initialise and fed:
            report.reinitialised, kept = refill_modules(model, fed, spec)
            report.kept += kept
        return None
    after = read(model, batch)
    said = {place.was for place in report.left}
    report.left += [
        Place(layer.name, str(layer.feeds), "not reached: made of other operations")
        for layer in after.layers
        if not layer.is_head and layer.kind not in RECURRENT and layer.feeds.name in _NAMES - said - {new}
    ]
    if initialise and report.swapped:
        report.reinitialised, report.kept = refill(feeders(before, after), spec)
    return after


def _self_normalise(
    model: nn.Module, batch: Any, seen: Recording | None, after: Tape | None, report: SwapReport
) -> None:
    hidden = [place for place in report.left if place.note not in (*REASONS.values(), _ALREADY)]
    if not hidden:
        report.dropouts = alpha_dropout(model)
    plain = ["AlphaDropout, but a forward calls plain dropout"] if seen is not None and seen.plain_dropout else []
    if hidden:
        plain.append("all hidden activations are selu, but some are left; dropout modules were not changed either")
    report.conditions = unmet(after, batch, plain)
