from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._base_rate import BaseRate, base_rate
from ._copies import copied
from ._redraw import redraw, redraw_code


def reinitialise(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Draws the weights anew by the rule that fits what each layer feeds, so that signal and gradient keep their size.

    Glorot for tanh, sigmoid and heads, He for rectifiers, LeCun for selu, orthogonal matrices between the time steps
    of recurrent layers and 1 in an lstm's forget bias; all other biases 0. A second variant also sets the output
    layer's bias to what the targets are on average (log frequencies, log odds, mean), which otherwise has to be walked
    to first; it is offered where classes are rare or targets lie far from 0, and first where the finding is about the
    loss at the start.

    It hurts on weights that were trained before: those, and frozen ones, stay. No variant where the weights have the
    variances of the rules (within a factor of 1.5) already.

    Source: Glorot and Bengio (2010); He et al. (2015); Klambauer et al. (2017); Saxe et al. (2014); Jozefowicz et al.
    (2015); the bias: Lin et al. (2017, section 3.3).
    """
    found = (_variant(training, case, with_bias=bias) for bias in sorted((False, True), reverse=finding.code == "L306"))
    yield from (one for one in found if one is not None)


def _variant(training: Training, case: Case, *, with_bias: bool) -> Training | None:
    model, loss = copied(training)
    seed = training.recipe.seed
    drawn = redraw(model, loss, case, seed)
    if drawn is None:
        model, loss = copied(training)
    keep = drawn[1] if drawn else ()
    rate = base_rate(model, case, loss) if with_bias else None
    rate = rate if rate is not None and rate.layer not in keep and _set(model, rate) else None
    if (with_bias and rate is None) or (drawn is None and rate is None):
        return None
    texts, codes = [], []
    if drawn is not None:
        rules = dict.fromkeys(row.rule for row in drawn[0].rows if row.rule != "left alone")
        texts.append(f"weights redrawn by {', '.join(list(rules)[:4])}{', ...' if len(rules) > 4 else ''}")
        codes.append(redraw_code(seed, keep))
    if rate is not None:
        texts.append(f"bias of the output layer {rate.layer or '(the model)'} at the {rate.text}")
        owner = f"model.get_submodule({rate.layer!r})" if rate.layer else "model"
        codes.append(f"with torch.no_grad():\n    {owner}.bias.copy_({rate.code})")
    return training.edited(Edit("reinitialise", "; ".join(texts), "\n".join(codes)), model=model, loss=loss)


@torch.no_grad()
def _set(model: nn.Module, rate: BaseRate) -> bool:
    """Whether the bias may be set, and is."""
    bias = getattr(model.get_submodule(rate.layer), "bias", None)
    if not isinstance(bias, nn.Parameter) or not bias.requires_grad or bias.numel() != rate.bias.numel():
        return False
    bias.copy_(rate.bias.reshape(bias.shape).to(bias))
    return True


CURE = Cure("reinitialise", reinitialise)
