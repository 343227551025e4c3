"""Networks of timm (Wightman, 2019), PyTorch Image Models."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from latih._checks import InputError, did_you_mean

from ._base import Backbone
from ._cards import PixelSettings, TimmCard
from ._limits import LONGEST_SIDE, brief, sketched
from ._pretrained import below, pretrained_below
from ._quiet import quiet

PREFIX = "timm:"


def find_timm(name: str, weights: str | None) -> Backbone:
    """`timm:NAME` with the weights that timm downloads, or those of a file.

    Size, mean and standard deviation are those that timm states for the weights. Its evaluation also cuts off a
    margin; here pictures are only resized.

    Raises `InputError` where timm is not installed, does not know the name or has no weights for it, where they
    cannot be downloaded, and for a network with several output layers or without red, green and blue.
    """
    model = name.removeprefix(PREFIX)
    sketch = _sketch(name, model)
    card = TimmCard(model=model, pixels=_pixels(name, sketch.pretrained_cfg))
    head = _head(name, sketch)
    if weights is None:
        state = below(_downloaded(name, model).state_dict(), head)
    else:
        state = pretrained_below(name, _create(model), head, weights)
    return _backbone(name, card, head, state)


def rebuild_timm(name: str, card: TimmCard) -> Backbone:
    """The architecture, from what a run saved."""
    return _backbone(name, card, _head(name, _sketch(name, card.model)), None)


def _backbone(name: str, card: TimmCard, head: str, weights: dict[str, Tensor] | None) -> Backbone:
    return Backbone(
        name=name,
        kind="images",
        shape=card.pixels.shape,
        config=card.text(),
        head=head,
        network=partial(_network, card.model),
        weights=weights,
        pixels=card.pixels,
    )


def _network(model: str, outputs: int) -> nn.Module:
    return _create(model, num_classes=outputs)


def _create(model: str, **options: Any) -> nn.Module:
    with quiet():
        return _timm().create_model(model, **options)


def _sketch(name: str, model: str) -> Any:
    """The network as shapes; two outputs, so that it has a head even where the pretrained one has none."""
    timm = _timm()
    if not timm.is_model(model):  # also for timm's own prefixes, which read a folder or a hub's config
        known = did_you_mean(model, timm.list_models(), ";")
        raise InputError(
            f"backbone {name!r}: timm {timm.__version__} has no model {model!r}{known} timm.list_models() lists them."
        )
    _, _, tag = model.partition(".")
    tags = timm.list_pretrained(f"{model.partition('.')[0]}.*")
    if tag and model not in tags:
        raise InputError(
            f"backbone {name!r}: timm {timm.__version__} knows no weights {tag!r} of this model; "
            f"it knows {', '.join(tags) or 'none'}."
        )
    return sketched(name, lambda: _create(model, num_classes=2))


def _pixels(name: str, settings: dict[str, Any]) -> PixelSettings:
    channels, height, width = settings["input_size"]
    if channels != 3 or len(settings["mean"]) != 3:
        raise InputError(
            f"backbone {name!r}: it takes images with {channels} channels; choose one for red, green and blue."
        )
    if max(height, width) > LONGEST_SIDE:
        raise InputError(f"backbone {name!r}: images of {height} x {width} are larger than {LONGEST_SIDE} a side.")
    return PixelSettings(size=(height, width), mean=tuple(settings["mean"]), std=tuple(settings["std"]))


def _head(name: str, sketch: Any) -> str:
    """The path that timm states; of several, as of a network with a head for distillation, none is the output layer."""
    path = sketch.pretrained_cfg.get("classifier")
    layer = dict(sketch.named_modules()).get(path) if isinstance(path, str) else sketch.get_classifier()
    if not isinstance(path, str) or not isinstance(layer, nn.Linear | nn.Conv2d):
        raise InputError(
            f"backbone {name!r}: its output is not one plain layer (it is a {type(layer).__name__}); "
            "choose a model with one."
        )
    return path


def _downloaded(name: str, model: str) -> nn.Module:
    if not _timm().models.is_model_pretrained(model):
        raise InputError(
            f"backbone {name!r}: timm has no pretrained weights for it; pass a file with weights=, or choose one of "
            "timm.list_pretrained()."
        )
    try:
        return _create(model, pretrained=True)
    except Exception as error:  # of the network, the disk, the hub's client or timm
        raise InputError(
            f"backbone {name!r}: its weights could not be fetched ({brief(error)}); "
            "pass a .safetensors file with weights=, or use efficientnet-lite0, which needs no network."
        ) from None


def _timm() -> ModuleType:
    try:
        with quiet():
            import timm
    except ImportError as error:
        raise InputError(f"backbone 'timm:...' needs timm ({error}); install it: pip install 'latih[timm]'.") from None
    except RuntimeError as error:  # torchvision, which timm imports, was compiled for another torch
        raise InputError(
            f"backbone 'timm:...': timm does not load ({brief(error)}); install the torchvision that fits your torch."
        ) from None
    return timm
