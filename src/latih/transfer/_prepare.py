"""From names to a network that waits for its phases: the data as the backbone wants them, and a fresh output layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from latih import init
from latih._checks import InputError
from latih._notation import build
from latih._recipe import Recipe, Source
from latih._reuse import Reuse
from latih._version import __version__
from latih.data import AnySchema, Data, load
from latih.models import backbones, load_weights
from latih.train import (
    Card,
    Pipeline,
    fitted_outputs,
    fitted_stages,
    load_model,
    network_of,
    read_card,
    run_folder,
    seeded,
)

from ._head import find_head


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found and built."""

    data: Data
    model: Pipeline
    head: str
    """Path of the output layer in `model`."""
    card: Card


def prepare(source: Source, reuse: Reuse, recipe: Recipe) -> Prepared:
    """Load data and backbone and put them together, under the recipe's seed; nothing is written.

    Raises `InputError` where they do not fit each other.
    """
    for family, text in recipe.methods().items():
        build(family, text)
    with seeded(recipe.seed):
        if Path(reuse.backbone).is_dir() and (Path(reuse.backbone) / run_folder.CARD).exists():
            return _from_run(source, reuse, recipe)
        if backbones.is_own(reuse.backbone):
            return _from_factory(source, reuse, recipe)
        return _from_backbone(source, reuse, recipe)


def _from_backbone(source: Source, reuse: Reuse, recipe: Recipe) -> Prepared:
    backbone = backbones.find(reuse.backbone, weights=reuse.weights)
    if backbone.kind == "text":
        most = backbone.length if reuse.length is None else min(reuse.length, backbone.length)
        data = _load(source, recipe, text=reuse.text, tokenizer=backbone.tokenizer, length=reuse.length, limit=most)
    else:
        _refuse_text(reuse)
        data = _load(source, recipe, **_images(source, backbone.shape[-1], "rgb"))
    stage = backbone.inputs(repeat_grey=source.color == "rgb" and data.train.shape[0] == 1, size=source.size)
    if isinstance(stage, backbones.Pixels):
        refuse_grey(data.train.shape, stage, "--color rgb repeats their one channel")
        stage.check(data.train.shape)
    net = backbone.build(_outputs(data))
    card = _card(data, model=backbone.name, backbone=backbone.config, size=source.size)
    model = Pipeline(stage or nn.Identity(), net, fitted_outputs(data.train.targets))
    return Prepared(data, model, f"net.{backbone.head}", card)


def _from_factory(source: Source, reuse: Reuse, recipe: Recipe) -> Prepared:
    _refuse_text(reuse)
    data = _load(source, recipe, **_images(source, source.size, source.color))
    backbone = backbones.find(reuse.backbone, weights=reuse.weights, shape=data.train.shape, head=reuse.head)
    inputs, outputs = fitted_stages(data)
    model = Pipeline(inputs, backbone.build(_outputs(data)), outputs)
    return Prepared(data, model, f"net.{backbone.head}", _card(data, model=backbone.name))


def _from_run(source: Source, reuse: Reuse, recipe: Recipe) -> Prepared:
    """A run of latih's own: its network and its input stage, statistics included."""
    _refuse_text(reuse)
    _refuse_code(Path(reuse.backbone))
    old, trained = load_model(Path(reuse.backbone))
    if len(old.shape) != 3:
        raise InputError(
            f"--backbone {reuse.backbone}: it was trained on inputs {tuple(old.shape)}; only image runs are reused."
        )
    data = _load(source, recipe, **_images(source, old.shape[-1], "grey" if old.shape[0] == 1 else "rgb"))
    if data.train.shape != old.shape:
        raise InputError(
            f"--backbone {reuse.backbone}: that run was trained on images {' x '.join(map(str, old.shape))} and these "
            f"are {' x '.join(map(str, data.train.shape))}; pass --size {old.shape[-1]}, or another backbone."
        )
    new = _card(data, model=old.model, backbone=old.backbone, activation=old.activation, norm=old.norm, size=old.size)
    net = network_of(new, old.shape)
    loaded = load_weights(net, trained.net.state_dict(), partial=True)
    if not loaded.loaded:
        raise InputError(f"--backbone {reuse.backbone}: none of its weights fits; name another run.")
    batch = next(iter(data.train.batches(torch.arange(2), 2)))
    head = find_head(net, trained.inputs(batch.inputs), head=reuse.head)
    init.apply(net.get_submodule(head), init.glorot())
    model = Pipeline(trained.inputs, net, fitted_outputs(data.train.targets)).train()
    return Prepared(data, model, f"net.{head}", new)


def _load(source: Source, recipe: Recipe, **more: object) -> Data:
    return load(
        source.data,
        target=source.target,
        valid=source.valid,
        valid_fraction=source.valid_fraction,
        seed=recipe.seed,
        strict=source.strict,
        workers=recipe.workers,
        **{name: value for name, value in more.items() if value is not None},  # pyright: ignore
    )


def _images(source: Source, size: int | None, color: str) -> dict[str, object]:
    """How a folder of images is read; other sources hold tensors, which the network's first stage resizes."""
    if not Path(source.data).is_dir():
        return {}
    return {"size": source.size or size, "color": color if source.color == "auto" else source.color}


def refuse_grey(shape: tuple[int, ...], stage: backbones.Pixels, way_out: str) -> None:
    """Refuse images of one channel for a network that takes several, with the way out that the caller offers."""
    if len(shape) == 3 and shape[0] == 1 != stage.channels and not stage.repeat_grey:
        raise InputError(f"grey images (1 channel) for a network that expects {stage.channels}; {way_out}.")


def _refuse_code(folder: Path) -> None:
    """Refuse a run whose network is the user's own code: naming code is how it is allowed to run."""
    try:
        card = read_card(folder)
    except OSError:
        return  # loading it says what is wrong
    if card.is_factory:
        raise InputError(
            f"--backbone {folder}: its network is the code {card.model!r}, which is only imported when you name it; "
            f"pass --backbone {card.model} --weights {folder / run_folder.WEIGHTS} if you trust it."
        )


def _outputs(data: Data) -> int:
    return len(data.classes) if data.task == "classification" else data.train.targets.shape[1]


def _card(data: Data, **facts: object) -> Card:
    shape, schema = data.train.shape, cast(AnySchema, data.schema)
    return Card(
        latih=__version__,
        shape=shape,
        outputs=_outputs(data),
        task=data.task,
        classes=data.classes,
        schema=schema,
        **facts,  # pyright: ignore
    )


def _refuse_text(reuse: Reuse) -> None:
    if reuse.text is not None or reuse.length is not None:
        raise InputError(f"--text and --length are for a backbone that reads text; {reuse.backbone} reads images.")
