"""The verb: each layer's rule from the activation it feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from latih import _notation
from latih._checks import InputError
from latih.tape import read, unwrap

from ._base import Initializer
from ._correct import corrections, rescale
from ._fill import fill, fill_bias, generators, keep_padding, norm_parameters
from ._keep import kept
from ._notes import gradients, outside_layers, refusals
from ._plan import Plan, one_rule, plans_for
from ._table import InitRow, InitTable


def initialize(
    model: nn.Module,
    batch: Any,
    loss: Callable[[Any, Any], Tensor] | None = None,
    scheme: str | Initializer = "auto",
    *,
    keep: str | Iterable[str] = (),
    seed: int | None = None,
    force: bool = False,
) -> InitTable:
    """Give each weighted layer the rule that fits the activation it feeds, in place; return what was done as a table.

    One forward pass tells layers and activations apart, modules and functional calls alike (see `latih.tape`). With
    scheme "auto" the variance of a weight is Var[w] = v / (fan_in · m): v is the variance that the layer's output is
    to have, m = E[f(z)²], z ~ N(0, v), the second moment of what the activation *before* the layer passes on (1 for
    standardised inputs). A layer's inputs need not have mean 0, so their second moment counts, not their variance.

    | the layer feeds | rule | v |
    |---|---|---|
    | relu, leaky_relu, prelu, rrelu, relu6 | `he(slope)`, the slope being the one used | 2/(1 + slope²), which m = 1 |
    | selu | `lecun()` | 1, which m = 1 |
    | tanh, sigmoid, softmax, no activation | `glorot(gain)`: the mean of the fans, gain² = v/m | 1; tanh see below |
    | gelu, silu, mish, hardswish | `variance_scaling(v/m)`, m computed from the function | 2, as for relu |
    | elu, celu, softplus, softsign, any other | the same | 1; softsign, hardtanh see below |

    So the first of 50 gelu layers gets `he()`, the others `variance_scaling(2.169)`. Further: heads `glorot()` with
    gain 1, so that logits start with a variance of 2 at most; the last layer of each residual branch (by fan_in) is
    divided by sqrt(branches) unless a norm follows before the sum, which lets the stream's variance grow to e at
    most; recurrent matrices `orthogonal()`, one block a gate, and the lstm's forget bias 1; attention projections
    `glorot()` each; embeddings `normal(1)`, and `normal(width^-0.5)` where a norm follows or the table is also the
    head; norms weight 1 and bias 0; all other biases 0.

    What one scalar cannot do: keep the gradient as well. Where forward is kept, each layer multiplies the gradient's
    variance by chi = v·E[f'(z)²]/E[f(z)²]. For the rectifiers that is 1 at any v. For a function of mean 0 it is at
    least 1 (the mean Hermite degree of f) and grows with v: tanh has 1.18 at v = 1, which is 3,000 over 50 layers,
    so tanh, softsign and hardtanh get v = 0.6 behind another of them (tanh 1.10, 100 over 50). elu has 1.04, mish,
    gelu and silu 1.06 to 1.07, selu 1.07. Below 1 forward would collapse instead: gelu, silu and mish amplify every
    deviation of the variance, by a power that falls towards 1 as v grows, hence v = 2. With a large mean chi is
    small (0.15 for sigmoid, 0.32 for softplus), and no scalar helps: the table says so.

    Gaussian weights of width n drift by chance, in log variance by about sqrt(5·depth/n). So with "auto" one more
    forward pass follows, and plain layers (no norm, not in a branch, not the head, not on the data) whose output
    variance is off by more than a factor 1.2 are rescaled, by at most 2.

    Args:
        model: any module; changed in place.
        batch: `(inputs, targets)` or inputs, standardised, as the model will be trained on; never written to.
        loss: `loss(output, targets)` -> scalar; what it does not reach is not initialised.
        scheme: "auto", or notation of `latih.init` or an initializer, which then fills every layer but the embeddings,
            without shrinking, forget bias or measured factors.
        keep: paths ("backbone"), full names or patterns ("*.conv1.weight") of parameters to leave alone.
        seed: makes the draw repeatable and leaves torch's generators alone; None draws from torch's own.
        force: also change what is protected by default.

    Protected by default are frozen parameters, and the whole model if one of its norms shows traces of training
    (batches counted, weights that differ, biases that are not 0) and is not itself in `keep`. Loading a checkpoint
    leaves no other trace: weights loaded into a model without norms can only be protected by `keep`.

    Raises `InputError` where the tape does (the model fails on the batch, the loss is no scalar, a layer has no
    width), for an unknown scheme and for a `keep` that matches nothing; nothing has then been changed.

    Sources: Glorot & Bengio (2010); He et al. (2015), equation 8 for the second moment; Klambauer et al. (2017);
    Saxe et al. (2014); Jozefowicz et al. (2015) for the forget bias; Radford et al. (2019, GPT-2) and Zhang et al.
    (2019, Fixup) for residual branches; Press & Wolf (2017) for tied embeddings; Mishkin & Matas (2016) for the
    measured factor.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 3))
    >>> table = initialize(net, torch.randn(16, 64, generator=torch.Generator().manual_seed(0)), seed=0)
    >>> [(row.layer, row.feeds.name, row.rule) for row in table.rows]
    [('0', 'leaky_relu', 'he(slope=0.2)'), ('2', 'tanh', 'glorot()'), ('4', 'none', 'glorot()')]
    """
    rule = _scheme(scheme)
    tape = read(model, batch, loss)
    model = unwrap(model)
    protected = kept(model, keep, force)
    plans = plans_for(tape, model) if rule is None else one_rule(tape, rule)
    for plan in plans:
        _check(plan)
        _protect(plan, protected)
    before = [_std(plan) for plan in plans]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    touched = _write(model, plans, protected, seed)
    drawn = [plan for plan in plans if plan.initializer is not None]
    factors, notes = corrections(model, batch, drawn) if rule is None else ({}, [])
    rescale(drawn, factors)
    rows = [
        InitRow(
            plan.label, plan.layer.feeds, plan.rule, std, _std(plan), factors.get(id(plan.layer.weight), 1.0), plan.why
        )
        for plan, std in zip(plans, before, strict=True)
    ]
    return InitTable(
        rows, [*refusals(plans), *outside_layers(tape, names, touched | set(protected)), *gradients(drawn), *notes]
    )


def _scheme(scheme: str | Initializer) -> Initializer | None:
    if isinstance(scheme, Initializer):
        return scheme
    if not isinstance(scheme, str):
        raise InputError(f"initialize(scheme={scheme!r}): the scheme must be 'auto' or a rule such as 'he()'.")
    return None if scheme == "auto" else _notation.build("init", scheme)


def _check(plan: Plan) -> None:
    if plan.layer.weight.is_meta:
        raise InputError(
            f"initialize(model=...): layer {plan.label!r} is on the meta device and holds no numbers; "
            "move the model with to_empty(device=...) first."
        )


def _protect(plan: Plan, protected: dict[int, str]) -> None:
    last = plan.layer.parameter.rpartition(".")[2]
    if id(plan.layer.weight) in protected:
        plan.initializer, plan.why = None, protected[id(plan.layer.weight)]
    elif "parametrizations." in plan.layer.parameter or last in ("weight_g", "weight_v", "weight_orig"):
        plan.initializer, plan.why = None, "computed by a parametrization: initialise before adding it"
    elif plan.layer.weight.is_complex():
        plan.initializer, plan.why = None, "complex weights have no rule here"


def _write(model: nn.Module, plans: list[Plan], protected: dict[int, str], seed: int | None) -> set[int]:
    """Fill weights, biases and norms; return the ids of the parameters that were written."""
    generator, touched = generators(seed), set()
    for plan in plans:
        layer = plan.layer
        if plan.initializer is not None:
            fill(plan, generator(layer.weight.device))
            keep_padding(model, layer)
            touched.add(id(layer.weight))
        if layer.bias is not None and id(layer.bias) not in protected and plan.initializer is not None:
            fill_bias(layer)
            touched.add(id(layer.bias))
    for parameter, value in norm_parameters(model):
        if id(parameter) not in protected:
            nn.init.constant_(parameter, value)
            touched.add(id(parameter))
    return touched


def _std(plan: Plan) -> float:
    weight = plan.layer.weight.detach()
    return (weight.abs() if weight.is_complex() else weight).double().std(correction=0).item()
