from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._rates import present_rate

_ADAMS = ("adam", "adamw", "nadam", "adamax", "radam", "schedule_free_adamw")
_FADING = ("adagrad", "adadelta", "rprop")
"""Adaptive too, but made for other data: an Adam goes on where they stop."""
_ADAPTIVE = (*_ADAMS, *_FADING, "rmsprop", "lion", "muon", "adafactor", "sparseadam")
_ADAM, _NAG = 0.001, 0.01
_FAR = 5.0
"""Times Adam's usual rate, from which the usual one is another method."""

_OF_THE_METHOD = ("L409", "L404", "L403")
"""Findings of which an adaptive method may be the cause."""


def change_optimizer(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Changes the optimizer for one whose steps go on where the present one's fade, creep or lose their way.

    Adam at 0.001 first (AdamW where weights decay), also for an Adam whose rate is far from that: it divides by the
    gradient's size, so that plateaus and layers with small gradients are crossed. Plain SGD then also gets momentum at
    the same rate, which multiplies the steps by up to ten along a constant direction. Where an adaptive method is to
    blame, or its rate is far from usual, Nesterov's method at 0.01 is the other kind.
    Networks with embeddings get Adam alone, since most rows of a table have no gradient in a batch; tables that make
    sparse gradients make dense ones then.

    It hurts where the method was not to blame: Adam may generalise worse than a well tuned momentum method.

    Source: Kingma and Ba (2015); Loshchilov and Hutter (2019); Sutskever et al. (2013) for momentum.
    """
    name, decay = training.optimizer.name, training.optimizer.weight_decay
    decayed = {"weight_decay": decay} if decay else {}
    adam = _text("adamw" if decay else "adam", lr=_ADAM, **decayed)
    usual = name in _ADAMS and 1 / _FAR < present_rate(training) / _ADAM < _FAR
    texts = [] if usual else [adam]
    if not _has_tables(training.model):
        if name == "sgd" and not _momentum(training) and present_rate(training) > 0:
            texts.append(_text("momentum", lr=present_rate(training), **decayed))
        elif name in _ADAPTIVE and (not usual or finding.code in _OF_THE_METHOD):
            texts.append(_text("nag", lr=_NAG, **decayed))
    yield from (_changed(training, text) for text in texts)


def _changed(training: Training, text: str) -> Training:
    plan = training.optimizer.with_method(text)
    fields: dict[str, Any] = {"optimizer": text}
    if training.recipe.lr is not None:
        fields["lr"] = plan.lr
    model, loss = copied(training)
    code = [f"optimizer = latih.optim.{text}(model)"]
    words = f"optimizer {training.optimizer.text} -> {text}"
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            module.sparse = False
            code.insert(0, f"model.get_submodule({name!r}).sparse = False")
            words += f", {name or 'embedding'} with dense gradients"
    edit = Edit("change_optimizer", words, "\n".join(code), fields)
    return training.edited(edit, optimizer=plan, model=model, loss=loss)


def _has_tables(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in model.modules())


def _momentum(training: Training) -> bool:
    """Whether a live SGD has momentum; in notation that is a method of its own."""
    return any(group.settings.get("momentum") for group in training.optimizer.groups)


def _text(method: str, **arguments: float) -> str:
    return f"{method}({', '.join(f'{name}={float(value)!r}' for name, value in arguments.items())})"


CURE = Cure("change_optimizer", change_optimizer)
