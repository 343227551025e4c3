from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from torch import nn

from latih._checks import InputError
from latih.activations import SwapReport, swap
from latih.diagnose import Finding
from latih.tape import Tape, read
from latih.train import seeded

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._stages import staged
from ._trained import trained

_BOUNDED = frozenset(("sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign", "logsigmoid"))
_RECTIFIERS = frozenset(("relu", "relu6", "hardswish", "threshold", "softshrink", "hardshrink"))
_RECURRENT = ("rnn", "lstm", "gru")


def swap_activation(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Replaces hidden activations that flatten by ones that let the gradient through.

    Functions bounded on both sides shrink gradients (a sigmoid's slope is at most 1/4) and pass none where they
    saturate: relu with weights redrawn by He's rule instead, then selu where it can normalise itself (one plain
    stack without norm, standardised inputs). Rectifiers whose units die: leaky_relu(0.01), then elu, which have a
    gradient everywhere. For a selu whose conditions are not met: relu, then elu. Functions of one's own that make
    signals explode, as an exponential or a square does: relu, then tanh. The layers that feed the new function are
    redrawn by its rule.

    It hurts in recurrent networks, where a bounded function keeps the state in bounds, and on trained weights: both
    are left alone.

    Source: Glorot, Bordes and Bengio (2011) for relu; Maas et al. (2013); Clevert et al. (2016); Klambauer et al.
    (2017).
    """
    with suppress(InputError):
        tape = read(training.model, case.batch)
        if not _is_recurrent(tape) and not trained(training.model, case):
            found = (_swapped(training, case, to) for to in _choices(tape, finding))
            yield from (one for one in found if one is not None)


def _choices(tape: Tape, finding: Finding) -> tuple[str, ...]:
    hidden = [layer.feeds.name for layer in tape.layers if not layer.is_head]
    if finding.name == "exploding-gradient":
        return ("relu()", "tanh()") if "unknown" in hidden else ()
    bounded, rectified = (sum(name in names for name in hidden) for names in (_BOUNDED, _RECTIFIERS))
    if "selu" in hidden:
        return ("relu()", "elu()")
    if bounded and bounded >= rectified:
        return ("relu()", "selu()")
    return ("leaky_relu(0.01)", "elu()") if rectified else ()


def _is_recurrent(tape: Tape) -> bool:
    """A bounded function behind a weight that is used again and again is the state's."""
    return any(
        layer.recurrent or layer.kind in _RECURRENT or (layer.shared and layer.feeds.name in _BOUNDED)
        for layer in tape.layers
    )


def _swapped(training: Training, case: Case, to: str) -> Training | None:
    model, loss = copied(training)
    path, net, batch = staged(model, case.batch)
    with seeded(training.recipe.seed):
        report = _swap(net, to, batch)
    if report is None or not report.swapped or (to == "selu()" and report.conditions):
        return None
    old = ", ".join(dict.fromkeys(place.was for place in report.swapped))
    text = f"hidden activations ({len(report.swapped)}): {old} -> {report.to}"
    text += f", weights that feed them redrawn by {report.init}" if report.reinitialised else ""
    inner = f"model.get_submodule({path!r})" if path else "model"
    inputs = "model.get_submodule('inputs')(x)" if path else "x"
    code = f"torch.manual_seed({training.recipe.seed})\nlatih.activations.swap({inner}, {report.to!r}, ({inputs}, y))"
    return training.edited(Edit("swap_activation", text, code), model=model, loss=loss)


def _swap(net: nn.Module, to: str, batch: object) -> SwapReport | None:
    with suppress(InputError):
        return swap(net, to, batch)
    return None


CURE = Cure("swap_activation", swap_activation)
