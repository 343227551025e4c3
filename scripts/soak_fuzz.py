"""Feed damaged files to latih for a bounded time: each must be read, or refused by an InputError.

Every failure is written to a folder, with the traceback beside it, and can be replayed:

    python scripts/soak_fuzz.py --minutes 5
    python scripts/soak_fuzz.py --replay soak-fuzz/7-csv-12.csv
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from latih import InputError
from latih._notation import FAMILIES, build
from latih._recipe import Recipe
from latih.cli import main as latih_main
from latih.data import ImageSchema, load
from latih.diagnose import read_findings
from latih.train import predict

Reader = Callable[[Path], object]


def read_notation(path: Path) -> None:
    """Build what the text says, in each family."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    for family in FAMILIES:
        try:
            build(family, text)
        except InputError:
            continue


def read_run(part: str, folder: Path) -> Reader:
    """Predict with a run of which one file is replaced."""

    def read(path: Path) -> None:
        good = (folder / "run" / part).read_bytes()
        (folder / "run" / part).write_bytes(path.read_bytes())
        try:
            predict(folder / "run", folder / "good.npz")
        finally:
            (folder / "run" / part).write_bytes(good)

    return read


def seeds(folder: Path) -> dict[str, tuple[str, bytes, Reader]]:
    """Kind -> the ending of its file, a good one, and what reads it."""
    rng, packed, table, picture = np.random.default_rng(0), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(packed, x=rng.normal(size=(40, 3)).astype(np.float32), y=np.arange(40) % 2)
    (folder / "good.npz").write_bytes(packed.getvalue())
    words = ["train", str(folder / "good.npz"), "--epochs", "1", "--out", str(folder / "run"), "--no-check"]
    latih_main([*words, "--model", "mlp(depth=1,width=4)"])
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 9), eager=True)
    frame = pl.DataFrame({"a": rng.normal(size=40), "b": list("xyzw") * 10, "day": days, "y": [1.5, 2.5] * 20})
    frame.write_parquet(table)
    pixels = Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))
    pixels.save(picture, "png")
    found = b'{"format":1,"found":[{"code":"L1","name":"a","severity":"info","where":"","evidence":{},"why":"w",'
    found += b'"advice":"d","cures":[],"weight":1.0}],"passed":["b"],"skipped":{"c":"d"}}'
    kinds: dict[str, tuple[str, bytes, Reader]] = {
        "csv": (".csv", frame.write_csv().encode(), lambda path: load(path, target="y")),
        "parquet": (".parquet", table.getvalue(), lambda path: load(path, target="y")),
        "npz": (".npz", packed.getvalue(), load),
        "recipe": (".toml", (folder / "run" / "recipe.toml").read_bytes(), Recipe.read),
        "findings": (".json", found, lambda path: str(read_findings(path))),
        "card": (".json", (folder / "run" / "model.json").read_bytes(), read_run("model.json", folder)),
        "weights": (".bin", (folder / "run" / "model.safetensors").read_bytes(), read_run("model.safetensors", folder)),
        "notation": (".txt", b"warmup(500, start=0.1) >> power(1000, exponent=0.5)", read_notation),
    }
    for kind in ("png", "gif", "jpeg", "bmp", "tiff", "webp", "ppm"):
        picture = io.BytesIO()
        pixels.save(picture, kind)
        kinds[kind] = (f".{kind}", picture.getvalue(), ImageSchema((1, 8, 8)).read)
    return kinds


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one to five changes, small and large."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        start = rng.randrange(len(found) + 1)
        end = min(len(found), start + rng.choice((1, 1, 2, 4, 8, 64, 1024)))
        piece = bytes(found[start:end])
        what = rng.randrange(7)
        if what == 0:
            found[start:end] = b""
        elif what == 1:
            found[start:end] = rng.randbytes(len(piece))
        elif what == 2:
            found[start:start] = piece * rng.choice((1, 2, 100))
        elif what == 3:
            found[start:end] = bytes(len(piece))
        elif what == 4:
            found[start:end] = b"\xff" * len(piece)
        elif what == 5:
            found[start:start] = rng.choice(
                (b"9" * 30, b"-1", b"nan", b"\0", b'"', b"[" * 5000, b"\xed\xa0\x80", b"1e999")
            )
        else:
            del found[start:]
    return bytes(found)


def survives(kind: str, path: Path, read: Reader, failures: Path) -> bool:
    """Whether the file was read or refused as it should be; if not, it and the traceback are kept."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except InputError:
        return True
    except KeyboardInterrupt:
        raise
    except BaseException:  # a panic of a library is none of Exception
        failures.mkdir(parents=True, exist_ok=True)
        kept = failures / path.name
        kept.write_bytes(path.read_bytes())
        kept.with_suffix(kept.suffix + ".traceback").write_text(traceback.format_exc())
        print(f"{kind}: {traceback.format_exc(limit=-1).strip().splitlines()[-1]} -> {kept}", flush=True)
        return False
    return True


def fuzz(minutes: float, seed: int, failures: Path, folder: Path) -> int:
    """Damage good files until the time is over; returns how many were not met as they should be."""
    kinds, rng, counts, bad = seeds(folder), random.Random(seed), Counter(), 0
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    until, number = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        kind = rng.choice(list(kinds))
        ending, good, read = kinds[kind]
        path = folder / f"{seed}-{kind}-{number}{ending}"
        path.write_bytes(damaged(good, rng))
        bad += not survives(kind, path, read, failures)
        path.unlink()
        counts[kind] += 1
        number += 1
    print(f"{number} files, {bad} failures; {', '.join(f'{kind} {count}' for kind, count in sorted(counts.items()))}")
    return bad


def main() -> int:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--failures", type=Path, default=Path("soak-fuzz"), help="where failing files are kept")
    parser.add_argument("--replay", type=Path, help="read one file that was kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if asked.replay is None:
            return 1 if fuzz(asked.minutes, asked.seed, asked.failures, Path(name)) else 0
        _, _, read = seeds(Path(name))[asked.replay.name.split("-")[1]]
        read(asked.replay.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
