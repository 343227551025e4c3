"""Networks of transformers that take token ids."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError

from ._base import Backbone
from ._cards import HfTextCard
from ._hf_config import build_body
from ._hf_library import transformers_library
from ._hf_load import Pretrained
from ._hf_network import HEAD, TextNetwork
from ._hf_tokenizer import read_tokenizer
from ._limits import LONGEST_TEXT, MOST_FEATURES, brief, sketched
from ._quiet import quiet

_LENGTH = 512  # where neither the network nor its tokenizer states a limit


def text_backbone(found: Pretrained) -> Backbone:
    """Length and padding come from the config and the tokenizer's files."""
    tokenizer, pad = read_tokenizer(found)
    last = _is_decoder(found.net.config)
    width = _width(found, pad, last)
    card = HfTextCard(model=found.model, pooled=found.pooled, last=last, width=width, length=_length(found), pad=pad)
    weights = {f"body.{key}": value for key, value in found.net.state_dict().items()}
    return _backbone(found.name, card, weights, tokenizer)


def rebuild_hf_text(name: str, card: HfTextCard) -> Backbone:
    """The architecture, from what a run saved."""
    sketched(name, lambda: _network(name, card, 1))
    return _backbone(name, card, None, None)


def _backbone(name: str, card: HfTextCard, weights: dict[str, Tensor] | None, tokenizer: str | None) -> Backbone:
    return Backbone(
        name=name,
        kind="text",
        shape=(card.length,),
        config=card.text(),
        head=HEAD,
        network=partial(_network, name, card),
        weights=weights,
        tokenizer=tokenizer,
        length=card.length,
        pad=card.pad,
    )


def _network(name: str, card: HfTextCard, outputs: int) -> nn.Module:
    body = build_body(name, card.model, card.pooled)
    return TextNetwork(body, card.width, outputs, pad=card.pad, last=card.last)


def _is_decoder(config: Any) -> bool:
    """Whether a token sees only those before it: kinds that write text and were never trained to fill gaps in it."""
    library = transformers_library()
    writes = type(config) in library.MODEL_FOR_CAUSAL_LM_MAPPING
    fills = type(config) in library.MODEL_FOR_MASKED_LM_MAPPING
    return bool(getattr(config, "is_decoder", False)) or (writes and not fills)


def _width(found: Pretrained, pad: int, last: bool) -> int:
    """The number of features: a short text tells it."""
    net = TextNetwork(found.net, 1, 1, pad=pad, last=last).eval()
    real = 1 if pad == 0 else 0
    try:
        with torch.no_grad(), quiet():
            width = net.features(torch.tensor([[real, real, pad]])).shape[1]
    except Exception as error:  # of the network's own code
        raise InputError(
            f"backbone {found.name!r}: it gives no features of a text ({type(error).__name__}: {brief(error)}); "
            "choose another."
        ) from None
    if width > MOST_FEATURES:
        raise InputError(f"backbone {found.name!r}: {width} features are more than {MOST_FEATURES}; choose another.")
    return width


def _length(found: Pretrained) -> int:
    stated = [
        getattr(found.net.config, "max_position_embeddings", None),
        found.json_file("tokenizer_config.json").get("model_max_length"),
        *_places(found.net),
    ]
    # a tokenizer without limit states 10^30
    limits = [one for one in stated if isinstance(one, int) and 0 < one <= LONGEST_TEXT]
    return min(limits, default=_LENGTH)


def _places(net: nn.Module) -> list[int]:
    """What the tables of learnt positions hold; one with a padding row (as RoBERTa's) starts to count behind it."""
    return [
        table.num_embeddings - table.padding_idx - 1
        for path, table in net.named_modules()
        if isinstance(table, nn.Embedding) and "position" in path and table.padding_idx is not None
    ]
