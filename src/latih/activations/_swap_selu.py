"""What SELU brings and what it needs: AlphaDropout, one plain sequence, LeCun's variance, a standardised input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from latih.tape import Tape, split_batch, tensors

_ALPHA: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: nn.AlphaDropout,
    nn.Dropout1d: nn.FeatureAlphaDropout,
    nn.Dropout2d: nn.FeatureAlphaDropout,
    nn.Dropout3d: nn.FeatureAlphaDropout,
}
RECURRENT = ("rnn", "lstm", "gru")
_ENOUGH = 64  # weights from which a variance can be judged


def alpha_dropout(model: nn.Module) -> list[str]:
    """Replace every dropout module by the one that keeps mean and variance, with the same p; their paths."""
    changed: list[str] = []
    made: dict[int, nn.Module] = {}
    for path, parent in model.named_modules():
        for name, child in list(parent._modules.items()):
            if child is not None and type(child) in _ALPHA:
                if id(child) not in made:
                    new = _ALPHA[type(child)](p=child.p, inplace=child.inplace)  # type: ignore[call-arg]
                    made[id(child)] = new.train(child.training)
                setattr(parent, name, made[id(child)])
                changed.append(f"{path}.{name}" if path else name)
    return changed


def unmet(tape: Tape | None, batch: Any, left: Sequence[str]) -> list[str]:
    """The conditions of self-normalisation that do not hold, one sentence each."""
    if tape is None:
        return ["not checked without a batch: one plain sequence, LeCun's variance, a standardised input"]
    return [*_structure(tape), *_variance(tape), *_input(batch), *left]


def _structure(tape: Tape) -> Iterator[str]:
    skips = [layer.name for layer in tape.layers if layer.in_residual or {"add", "cat"} & set(layer.between)]
    again = [layer.name for layer in tape.layers if layer.recurrent or layer.shared or layer.kind in RECURRENT]
    norms = [layer.name for layer in tape.layers if any(word.endswith("_norm") for word in layer.between)]
    attends = [layer.name for layer in tape.layers if layer.kind == "attention" or "attention" in layer.between]
    for names, what in (
        (skips, "a plain sequence, but a skip connection passes"),
        (again, "a plain sequence, but recurrent or shared are"),
        (attends, "a plain sequence, but attention is in"),
        (norms, "no norm, but one follows"),
    ):
        if names:
            yield f"{what} {_listed(names)}"


def _variance(tape: Tape) -> Iterator[str]:
    off = []
    for layer in tape.layers:
        if layer.feeds.name == "selu" and layer.fan_in and layer.weight.numel() >= _ENOUGH:
            ratio = layer.weight.detach().double().square().mean().item() * layer.fan_in
            if not 0.5 <= ratio <= 1.5:
                off.append(f"{layer.name} {ratio:.2g}")
    if off:
        yield f"LeCun's variance 1/fan_in; times fan_in it is {_listed(off)}"


def _input(batch: Any) -> Iterator[str]:
    floats = [tensor.detach().double() for tensor in tensors(split_batch(batch)[0]) if tensor.is_floating_point()]
    if not floats:
        return
    values = torch.cat([tensor.flatten() for tensor in floats])
    mean, std = values.mean().item(), values.std(correction=0).item()
    if not (abs(mean) <= 0.25 and 0.7 <= std <= 1.4):
        yield f"an input of mean 0 and standard deviation 1, but the batch has {mean:.3g} and {std:.3g}"


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
