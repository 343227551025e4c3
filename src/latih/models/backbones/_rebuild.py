"""A backbone's architecture, from what a run saved of it."""

from __future__ import annotations

import msgspec

from latih._checks import InputError, whole

from . import _efficientnet, _hf, _timm
from ._base import Backbone
from ._cards import Card, EfficientNetCard, FactoryCard, HfImagesCard, HfTextCard, TimmCard
from ._hf_images import rebuild_hf_images
from ._hf_text import rebuild_hf_text
from ._limits import MOST_WEIGHTS


def rebuild(name: str, config: str, outputs: int) -> Backbone:
    """Restore the `Backbone` whose `name` and `config` were saved, without weights, without network.

    Both may come from a stranger's file: nothing in them is executed or fetched. `outputs` is the number that it will
    be built with; it counts towards the size. Use `build(outputs, pretrained=False)` and load the run's weights.

    Raises `InputError` for a config that is damaged, does not belong to the name or asks for a network beyond reason,
    for a package that is not installed, and for a user's own factory, which only its user can name.

    >>> from latih.models.backbones import find
    >>> saved = find("efficientnet-lite0")
    >>> rebuild(saved.name, saved.config, 5).shape
    (3, 224, 224)
    """
    whole("rebuild", "outputs", outputs, 1)
    card = _read(name, config)
    if isinstance(card, FactoryCard):
        raise InputError(
            f"backbone {name!r}: it is code, which is only imported when you name it; pass its name if you trust it."
        )
    if not name.startswith(_prefix(card)):
        raise InputError(f"backbone {name!r}: what was saved is another one's config; the saved model is damaged.")
    width = card.width if isinstance(card, HfImagesCard | HfTextCard) else 1
    if width * outputs > MOST_WEIGHTS:
        raise InputError(f"backbone {name!r}: {outputs} outputs of {width} features are too many; it is damaged.")
    return _restored(name, card)


def _read(name: str, config: str) -> Card:
    try:
        return msgspec.json.decode(config, type=Card)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"backbone {name!r}: its saved config is damaged ({error}); train again.") from None


def _prefix(card: EfficientNetCard | TimmCard | HfImagesCard | HfTextCard) -> str:
    if isinstance(card, EfficientNetCard):
        return _efficientnet.NAME
    return f"{_timm.PREFIX}{card.model}" if isinstance(card, TimmCard) else _hf.PREFIX


def _restored(name: str, card: EfficientNetCard | TimmCard | HfImagesCard | HfTextCard) -> Backbone:
    if isinstance(card, EfficientNetCard):
        return _efficientnet.rebuild_efficientnet(card)
    if isinstance(card, TimmCard):
        return _timm.rebuild_timm(name, card)
    if isinstance(card, HfImagesCard):
        return rebuild_hf_images(name, card)
    return rebuild_hf_text(name, card)
