"""One way in: a name or a path becomes `Data`."""

from __future__ import annotations

from pathlib import Path

from latih._checks import InputError, did_you_mean

from ._base import Data
from ._named import NAMED, load_named
from ._npz import load_npz

_KINDS = {".npz": "arrays", ".csv": "table", ".tsv": "table", ".parquet": "table"}
_PATHS = "a path to .npz arrays, a .csv, .tsv or .parquet table, or a folder of pictures"


def load(
    source: str | Path,
    *,
    target: str | None = None,
    valid: str | Path | None = None,
    valid_fraction: float = 0.1,
    seed: int = 0,
    strict: bool = False,
    text: str | None = None,
    tokenizer: str | None = None,
    length: int | None = None,
    limit: int | None = None,
    size: int | None = None,
    color: str = "auto",
    workers: int = 0,
    in_memory_bytes: int = 2**31,
) -> Data:
    """Read a named set, an `.npz` file, a table or a folder of pictures, split for training and validation.

    Args:
        source: A name of `NAMED`, or a path; a file that has the name of a named set is reached as `./mnist`.
        target: Column of a table to predict.
        valid: A second path of the same kind to validate on, instead of holding out a part.
        valid_fraction: Part of the training examples held out, above 0 and below 1.
        seed: Of that choice.
        strict: Refuse what would otherwise be a note (missing or infinite values).
        text: Column of a table to read as text; by default the one of the longest cells, if that is beyond doubt.
        tokenizer: The JSON text of a `tokenizer.json`; with it a table is read as text, into token ids.
        length: Tokens of one text; by default what holds 99 % of the training texts, and 256 at most.
        limit: The most tokens that the network takes.
        size: Side in pixels that pictures of a folder are brought to.
        color: Channels of pictures of a folder.
        workers: Processes that decode pictures which do not fit in memory.
        in_memory_bytes: Pictures of a folder are kept in memory up to this size.

    Raises:
        InputError: In one sentence, for whatever cannot be read.

    >>> data = load("fashion-mini")
    >>> len(data.train), len(data.valid), data.train.shape, data.classes[9]
    (9000, 1000, (1, 28, 28), 'Ankle boot')
    """
    kind = _kind(source)
    if not 0 < valid_fraction < 1:
        raise InputError(
            f"load(valid_fraction={valid_fraction!r}): valid_fraction must lie between 0 and 1, both excluded; "
            "0.1 holds out a tenth."
        )
    _refuse_unused(source, kind, target=target, valid=valid, size=size, color=color)
    _refuse_unused(source, kind, tokenizer=tokenizer, text=text, length=length, limit=limit)
    if tokenizer is None:
        _refuse_without_tokenizer(source, text=text, length=length, limit=limit)
    if kind == "named":
        return load_named(str(source), valid_fraction=valid_fraction, seed=seed)
    path, second = Path(source), None if valid is None else Path(valid)
    if second is not None and _kind(second) != kind:
        raise InputError(f"load({str(source)!r}, valid={str(valid)!r}): valid must be of the same kind, {kind}.")
    if kind == "arrays":
        return load_npz(path, valid=second, valid_fraction=valid_fraction, seed=seed, strict=strict)
    if kind == "table" and tokenizer is not None:
        from ._text import load_text

        return load_text(
            path,
            target=target,
            tokenizer=tokenizer,
            text=text,
            length=length,
            limit=limit,
            valid=second,
            valid_fraction=valid_fraction,
            seed=seed,
            strict=strict,
        )
    if kind == "table":
        from ._table import load_table

        return load_table(path, target=target, valid=second, valid_fraction=valid_fraction, seed=seed, strict=strict)
    from ._images import load_images

    return load_images(
        path,
        valid=second,
        valid_fraction=valid_fraction,
        seed=seed,
        size=size,
        color=color,
        workers=workers,
        in_memory_bytes=in_memory_bytes,
    )


def _kind(source: str | Path) -> str:
    if isinstance(source, str) and source in NAMED:
        return "named"
    path = Path(source)
    try:
        folder, there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # too long, a NUL inside, no right to look
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"load({_shown(str(source))}): cannot be looked up ({reason}); pass {_PATHS}.") from None
    if folder:
        return "pictures"
    if not there:
        raise InputError(_absent(source))
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"load({str(source)!r}): a {path.suffix or 'file without a suffix'} is not read; pass {_PATHS}."
        )
    return kind


def _absent(source: str | Path) -> str:
    path = Path(source)
    try:
        beside = [str(path.parent / other.name) for other in path.parent.iterdir()]
    except OSError:
        beside = []
    hint = did_you_mean(str(source), NAMED) or did_you_mean(str(path), beside)
    return f"load({str(source)!r}): there is no such file or folder, and the named sets are {', '.join(NAMED)}" + (
        hint or f"; pass one of these, or {_PATHS}."
    )


def _refuse_unused(source: str | Path, kind: str, **given: object) -> None:
    """Refuse what this kind of source would not look at, rather than leave it unsaid."""
    belongs = {
        "target": ("table",),
        "valid": ("arrays", "table", "pictures"),
        "size": ("pictures",),
        "color": ("pictures",),
        "text": ("table",),
        "tokenizer": ("table",),
        "length": ("table",),
        "limit": ("table",),
    }
    for name, value in given.items():
        if value not in (None, "auto") and kind not in belongs[name]:
            raise InputError(
                f"load({str(source)!r}, {name}={_shown(value)}): {name} is for {' or '.join(belongs[name])}, and this "
                f"source is {'a named set' if kind == 'named' else kind}; leave it out."
            )


def _refuse_without_tokenizer(source: str | Path, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"load({str(source)!r}, {name}={value!r}): {name} is for a table that a tokenizer reads; pass "
                "tokenizer= with the text of a tokenizer.json, or leave it out."
            )


def _shown(value: object) -> str:
    """The value for a sentence; a tokenizer is as long as a book."""
    shown = repr(value)
    return shown if len(shown) <= 200 else f"{shown[:40]}..."
