"""Networks of transformers that take pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from latih._checks import InputError

from ._base import Backbone
from ._cards import HfImagesCard, PixelSettings
from ._hf_config import build_body
from ._hf_load import Pretrained
from ._hf_network import HEAD, PictureNetwork
from ._limits import brief, sketched
from ._quiet import quiet


def images_backbone(found: Pretrained) -> Backbone:
    """Size, mean and standard deviation come from preprocessor_config.json, else the config's size and 0.5 and 0.5."""
    if getattr(found.net.config, "num_channels", 3) != 3:
        raise InputError(
            f"backbone {found.name!r}: it takes images with {found.net.config.num_channels} channels; "
            "choose one for red, green and blue."
        )
    pixels = _pixels(found)
    card = HfImagesCard(model=found.model, pooled=found.pooled, width=_width(found, pixels), pixels=pixels)
    weights = {f"body.{key}": value for key, value in found.net.state_dict().items()}
    return _backbone(found.name, card, weights)


def rebuild_hf_images(name: str, card: HfImagesCard) -> Backbone:
    """The architecture, from what a run saved."""
    sketched(name, lambda: _network(name, card, 1))
    return _backbone(name, card, None)


def _backbone(name: str, card: HfImagesCard, weights: dict[str, Tensor] | None) -> Backbone:
    return Backbone(
        name=name,
        kind="images",
        shape=card.pixels.shape,
        config=card.text(),
        head=HEAD,
        network=partial(_network, name, card),
        weights=weights,
        pixels=card.pixels,
    )


def _network(name: str, card: HfImagesCard, outputs: int) -> nn.Module:
    return PictureNetwork(build_body(name, card.model, card.pooled), card.width, outputs)


def _width(found: Pretrained, pixels: PixelSettings) -> int:
    """The number of features, which no config states for all networks: one blank picture tells it."""
    net = PictureNetwork(found.net, 1, 1).eval()
    try:
        with torch.no_grad(), quiet():
            return net.features(torch.zeros(1, *pixels.shape)).shape[1]
    except Exception as error:  # of the network's own code
        raise InputError(
            f"backbone {found.name!r}: it gives no features of a picture of shape {pixels.shape} "
            f"({type(error).__name__}: {brief(error)}); choose another."
        ) from None


def _pixels(found: Pretrained) -> PixelSettings:
    settings = found.json_file("preprocessor_config.json")
    scale = settings.get("rescale_factor", 1 / 255)
    if not isinstance(scale, float) or not math.isclose(scale, 1 / 255, rel_tol=1e-3) or settings.get("rescale_offset"):
        raise InputError(
            f"backbone {found.name!r}: its preprocessing scales pictures by {scale!r} instead of 1/255; choose another."
        )
    read = {
        "size": _size(found, settings),
        "mean": settings.get("image_mean", [0.5] * 3),
        "std": settings.get("image_std", [0.5] * 3),
    }
    if settings.get("do_normalize") is False:
        read |= {"mean": [0.0] * 3, "std": [1.0] * 3}
    try:
        return msgspec.convert(read, PixelSettings)
    except msgspec.ValidationError as error:
        raise InputError(f"backbone {found.name!r}: preprocessor_config.json does not fit ({error}).") from None


def _size(found: Pretrained, settings: Mapping[str, Any]) -> Any:
    """Height and width: of what is cut out, where something is, since pictures are only resized here."""
    cut = settings.get("crop_size") if settings.get("do_center_crop") else None
    size = cut or settings.get("size") or getattr(found.net.config, "image_size", None)
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge")
        size = [size.get("height", edge), size.get("width", edge)]
    if size is None or (isinstance(size, list) and None in size):
        raise InputError(
            f"backbone {found.name!r}: neither preprocessor_config.json nor its config states the size of its images; "
            "add one of them to a folder, or choose another."
        )
    return [size, size] if isinstance(size, int) else list(size)
