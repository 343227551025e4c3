"""A network of transformers with one layer behind its features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .._blocks import head as fresh_head

HEAD = "head"


class PictureNetwork(nn.Module):
    """Pictures -> features -> outputs.

    The features are what the network pools itself (`pooler_output`), or else the mean of `last_hidden_state` over its
    tokens, that of the class among them, or over its places.
    """

    def __init__(self, body: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.body, self.head = body, fresh_head(width, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> (batch, width)."""
        found: Any = self.body(pixel_values=x, return_dict=True)
        pooled = getattr(found, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        states = found.last_hidden_state
        return states.mean((2, 3)) if states.dim() == 4 else states.mean(1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> (batch, outputs)."""
        return self.head(self.features(x))


class TextNetwork(nn.Module):
    """Token ids -> features -> outputs.

    The features are the mean of `last_hidden_state` over the real tokens, which is what sentence encoders are trained
    for; of a decoder, whose last token alone has seen the whole text, they are the state of the last real token.
    The ids `pad` are not looked at; a text of nothing else counts as one token.
    """

    def __init__(self, body: nn.Module, width: int, outputs: int, *, pad: int, last: bool) -> None:
        super().__init__()
        self.body, self.head = body, fresh_head(width, outputs)
        self.pad, self.last = pad, last

    def features(self, ids: Tensor) -> Tensor:
        """(batch, length) int64 -> (batch, width)."""
        place = torch.arange(ids.shape[1], device=ids.device)
        real = ids != self.pad
        real = real | ((place == 0) & ~real.any(1, keepdim=True))
        found: Any = self.body(input_ids=ids, attention_mask=real.long(), return_dict=True)
        states = found.last_hidden_state  # (batch, length, width)
        if self.last:
            final = (real * place).amax(1)
            return states[torch.arange(len(ids), device=ids.device), final]
        share = real.unsqueeze(2).to(states.dtype)
        return (states * share).sum(1) / share.sum(1)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, length) int64 -> (batch, outputs)."""
        return self.head(self.features(ids))
