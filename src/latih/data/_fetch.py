"""Download one published file: checked by its SHA-256, and in its place only once it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.request
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

_TIMEOUT = 30.0  # seconds without a byte
_LIMIT = 2**27  # bytes, compressed or not: above the largest published file, below what would exhaust memory


def fetch(urls: Sequence[str], file: Path, sha256: str, *, unpacked: bool) -> None:
    """Write to `file` the first of `urls` whose content has the sum `sha256`.

    Args:
        urls: Mirrors, tried in order.
        file: Its folder is made where needed; the file appears whole or not at all.
        sha256: In hexadecimal.
        unpacked: Whether the sum is of the gzip-decompressed content.

    Raises:
        OSError: Where no mirror gives such a file; the message says what each gave.
    """
    reasons = []
    for url in urls:
        try:
            content = download(url)
            found = hashlib.sha256(_unpacked(content) if unpacked else content).hexdigest()
        except (OSError, HTTPException, zlib.error) as error:
            reasons.append(f"{url}: {error}")
            continue
        if found == sha256:
            return _placed(file, content)
        reasons.append(f"{url}: not the published file, its SHA-256 is {found}")
    raise OSError("; ".join(reasons))


def download(url: str) -> bytes:
    """The content at `url`; raises OSError where it cannot be had."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
        return _within_limit(answer.read(_LIMIT + 1))


def _unpacked(content: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)  # gzip
    return _within_limit(inflate.decompress(content, _LIMIT + 1))


def _within_limit(content: bytes) -> bytes:
    if len(content) > _LIMIT:
        raise OSError(f"more than {_LIMIT} bytes")
    return content


def _placed(file: Path, content: bytes) -> None:
    """Write beside `file`, then rename: another process sees all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(content)
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
