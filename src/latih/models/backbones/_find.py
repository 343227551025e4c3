"""A backbone by name."""

from __future__ import annotations

from os import PathLike, fspath

from latih._checks import InputError, did_you_mean

from . import _efficientnet, _hf, _timm
from ._base import Backbone
from ._factory import find_factory

_FORMS = "efficientnet-lite0, timm:NAME, hf:NAME-or-folder, package.module:factory with weights"


def find(
    name: str = _efficientnet.NAME,
    *,
    weights: str | PathLike[str] | None = None,
    shape: tuple[int, ...] | None = None,
    head: str | None = None,
) -> Backbone:
    """A pretrained network by name, with its weights in memory and the preprocessing that it needs.

    Args:
        name: `efficientnet-lite0` (224 x 224 pictures, ImageNet weights from a package, offline); `timm:NAME`;
            `hf:NAME-or-folder`, for pictures or text; or `package.module:factory`, the user's own code.
        weights: File with the weights of `timm:` or a factory, as `latih.models.load_weights` reads it.
        shape: For a factory: of one input of the data, without the batch.
        head: For a factory: path of its output layer, where that cannot be found.

    Raises `InputError` for an unknown name, a package that is not installed, weights that are missing, do not fit or
    cannot be fetched, and a network that takes neither pictures of red, green and blue nor texts.

    >>> backbone = find("efficientnet-lite0")
    >>> backbone.shape, backbone.head
    ((3, 224, 224), '_fc')
    >>> backbone.build(5)._fc
    Linear(in_features=1280, out_features=5, bias=True)
    """
    file = None if weights is None else fspath(weights)
    own = is_own(name)
    if not own and (shape is not None or head is not None):
        raise InputError(f"find({name!r}): shape and head are for package.module:factory; leave them out.")
    if own:
        return find_factory(name, file, shape, head)
    if name.startswith(_timm.PREFIX):
        return _timm.find_timm(name, file)
    if file is not None:
        raise InputError(f"find({name!r}, weights={file!r}): this backbone brings its own weights; leave weights out.")
    if name.startswith(_hf.PREFIX):
        return _hf.find_hf(name)
    if name == _efficientnet.NAME:
        return _efficientnet.find_efficientnet()
    raise InputError(
        f"find({name!r}): there is no such backbone{did_you_mean(name, [_efficientnet.NAME], ';')} they are {_FORMS}."
    )


def is_own(name: str) -> bool:
    """Whether `name` is the user's own code, whose network depends on the shape of the data."""
    return ":" in name and not name.startswith((_timm.PREFIX, _hf.PREFIX))
