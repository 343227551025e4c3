"""The user's own network, with its weights in a file."""

from __future__ import annotations

import torch
from torch import nn

from latih import tape
from latih._checks import InputError

from .._blocks import head as fresh_head
from .._factory import call_factory
from ._base import Backbone
from ._cards import FactoryCard
from ._limits import refuse_huge
from ._pretrained import pretrained_below


def find_factory(name: str, weights: str | None, shape: tuple[int, ...] | None, head: str | None) -> Backbone:
    """`package.module:factory` for inputs of `shape`, with the weights of a file.

    The factory is called as `latih.models.call_factory` says. The output layer is the one that no other follows, or
    the one at the path `head`; where it has another number of outputs than wanted, it is replaced. How its inputs
    were preprocessed is not known: standardise by the training data, and better still by the statistics of its own.

    Raises `InputError` for a factory without weights or shape, one that fails, a network whose output layer cannot be
    told or is not linear, and weights that do not fit.
    """
    if weights is None:
        raise InputError(
            f"backbone {name!r}: a reused network needs its weights; pass weights=FILE.safetensors (--weights)."
        )
    if not shape:
        raise InputError(f"backbone {name!r}: a factory needs the shape of one input of the data; pass shape=.")
    net = call_factory(name, shape, 1)
    refuse_huge(name, net)
    path = head or _output_layer(name, net, shape)
    state = pretrained_below(name, _checked(name, net, path), path, weights)

    def network(outputs: int) -> nn.Module:
        return _with_outputs(_checked(name, call_factory(name, shape, outputs), path), path, outputs)

    return Backbone(
        name=name, kind="any", shape=shape, config=FactoryCard().text(), head=path, network=network, weights=state
    )


def _output_layer(name: str, net: nn.Module, shape: tuple[int, ...]) -> str:
    layers = tape.read(net, torch.randn(2, *shape)).layers
    heads = sorted({layer.name for layer in layers if layer.is_head})
    if len(heads) != 1:
        raise InputError(
            f"backbone {name!r}: its output layer cannot be told ({', '.join(heads) or 'no layer comes last'}); "
            "name its path with head=."
        )
    return heads[0]


def _checked(name: str, net: nn.Module, path: str) -> nn.Module:
    layer = dict(net.named_modules()).get(path)
    if path and isinstance(layer, nn.Linear):
        return net
    what = "the whole network" if not path else "no layer of it" if layer is None else f"a {type(layer).__name__}"
    raise InputError(
        f"backbone {name!r}: its output layer {path!r} is {what}; it must be an nn.Linear with layers before it."
    )


def _with_outputs(net: nn.Module, path: str, outputs: int) -> nn.Module:
    layer = net.get_submodule(path)
    assert isinstance(layer, nn.Linear)
    if layer.out_features != outputs:
        net.set_submodule(path, fresh_head(layer.in_features, outputs))
    return net
