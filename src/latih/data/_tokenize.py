"""The `tokenizers` library, opened with our lengths and padding instead of a file's own, and fed in batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from latih._checks import InputError, whole

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

BATCH_BYTES = 1 << 18
"""Text that a thread tokenises at once: the library keeps close to a kilobyte a token meanwhile."""
_MOST_THREADS = 8
_PADS = ("[PAD]", "<pad>", "<PAD>", "<|pad|>", "<|padding|>", "<|PAD|>")
_PARALLELISM = "TOKENIZERS_PARALLELISM"


def open_tokenizer(json: str, length: int | None = None) -> Tokenizer:
    """The tokenizer, with no setting of its own for lengths and padding; `length` is where it cuts.

    Raises `InputError` where `tokenizers` is not installed, for text that is no tokenizer, and for a length that the
    special tokens fill.
    """
    tokenizer = _parsed(json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if length is not None:
        special = tokenizer.num_special_tokens_to_add(False)
        whole("load", "length", length, special + 1, f"{special} tokens are special and the text needs one")
        tokenizer.enable_truncation(length)
    return tokenizer


def padding_id(json: str) -> int:
    """The id that the tokenizer pads with, by its own setting or by the names that such a token goes by."""
    tokenizer = _parsed(json)
    own = (tokenizer.padding or {}).get("pad_token")
    ids = [tokenizer.token_to_id(name) for name in (own, *_PADS) if name is not None]
    found = next((number for number in ids if number is not None), None)
    if found is None:
        raise InputError(
            f"load(tokenizer=...): the tokenizer has no token to pad with ({', '.join(_PADS[:2])}); "
            "call its enable_padding(pad_id=..., pad_token=...) with a token that it has, and pass its to_str()."
        )
    return found


def tokenize(tokenizer: Tokenizer, texts: pl.Series, take: Callable[[int, Encoding], None]) -> None:
    """Call `take` with the place and the encoding of each text, in no order; a null is an empty text."""
    texts = texts.fill_null("")
    part = (texts.str.len_bytes() + 256).cum_sum() // BATCH_BYTES
    starts = [*np.flatnonzero(np.diff(part.to_numpy(), prepend=-1)).tolist(), len(texts)]

    def batch(start: int, end: int) -> None:
        try:
            encodings = tokenizer.encode_batch_fast(texts[start:end].to_list())  # encode_batch without offsets
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"load(tokenizer=...): the tokenizer cannot read a text ({error}); fix it.") from None
        for place, encoding in enumerate(encodings, start):
            take(place, encoding)

    with _own_threads_only(), ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        list(pool.map(batch, starts[:-1], starts[1:]))


def _parsed(json: str) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InputError("reading text needs tokenizers; install it with: pip install 'latih[hf]'.") from None
    try:
        return Tokenizer.from_str(json)
    except Exception as error:  # the library raises nothing narrower
        shown = repr(json if len(str(json)) <= 40 else f"{str(json)[:40]}...")
        raise InputError(
            f"load(tokenizer={shown}): this is not the JSON text of a tokenizer.json ({error}); pass "
            "Path('tokenizer.json').read_text(encoding='utf-8')."
        ) from None


@contextmanager
def _own_threads_only() -> Iterator[None]:
    """Keep the library from threads of its own, which outlive the call: it warns when such a process forks."""
    if _PARALLELISM in os.environ:  # then the user has decided
        yield
        return
    os.environ[_PARALLELISM] = "false"
    try:
        yield
    finally:
        os.environ.pop(_PARALLELISM, None)
