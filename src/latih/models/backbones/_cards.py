"""What a run saves of its backbone. The text may be a stranger's: every field is typed and bounded."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from ._limits import LONGEST_SIDE, LONGEST_TEXT, MOST_FEATURES

Side: TypeAlias = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]
Mean: TypeAlias = Annotated[float, Meta(ge=-255.0, le=255.0)]
Std: TypeAlias = Annotated[float, Meta(ge=1e-6, le=255.0)]
Width: TypeAlias = Annotated[int, Meta(ge=1, le=MOST_FEATURES)]
Length: TypeAlias = Annotated[int, Meta(ge=1, le=LONGEST_TEXT)]
TokenId: TypeAlias = Annotated[int, Meta(ge=0, le=2**31)]


class PixelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pictures of the pretraining: red, green and blue in units of 0..1."""

    size: tuple[Side, Side]
    """Height and width."""
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Std, Std, Std]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture."""
        return (len(self.mean), *self.size)


class _Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="source"):
    def text(self) -> str:
        """The JSON text that a run saves."""
        return msgspec.json.encode(self).decode()


class EfficientNetCard(_Card, frozen=True, tag="efficientnet-lite0"):
    """The packaged network; its architecture is fixed."""

    pixels: PixelSettings


class TimmCard(_Card, frozen=True, tag="timm"):
    """A network of timm."""

    model: str
    """Its name there, which decides the architecture."""
    pixels: PixelSettings


class HfImagesCard(_Card, frozen=True, tag="hf-images"):
    """A network of transformers that takes pictures."""

    model: dict[str, Any]
    """The architecture, as in its config.json."""
    pooled: bool | None
    """Whether it has its own pooling layer; None where that is not asked of it."""
    width: Width
    """Number of features."""
    pixels: PixelSettings


class HfTextCard(_Card, frozen=True, tag="hf-text"):
    """A network of transformers that takes token ids."""

    model: dict[str, Any]
    pooled: bool | None
    last: bool
    """Whether the features are those of the last real token, rather than the mean over all of them."""
    width: Width
    length: Length
    pad: TokenId


class FactoryCard(_Card, frozen=True, tag="factory"):
    """The user's own code, of which nothing is saved."""


Card: TypeAlias = EfficientNetCard | TimmCard | HfImagesCard | HfTextCard | FactoryCard
