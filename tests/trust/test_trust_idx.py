"""Files of the named sets, put where latih looks for them, that are not what they should be."""

import gzip
import struct

import numpy as np
import pytest

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array, shape=None, kind=8):
    shape = array.shape if shape is None else shape
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.astype(np.uint8).tobytes()


PICTURES = np.random.default_rng(0).integers(0, 255, (40, 6, 6))
LABELS = np.arange(40) % 10
GOOD = (idx(PICTURES), idx(LABELS), idx(PICTURES[:10]), idx(LABELS[:10]))


def but(place, content):
    return tuple(content if place == k else good for k, good in enumerate(GOOD))


SETS = {
    "no bytes": (but(0, b""), "starts with nothing"),
    "text": (but(0, b"hello world, this is no picture"), "starts with 68 65"),
    "another type of values": (but(0, idx(PICTURES, kind=0x0D)), "starts with 00 00 0d"),
    "labels for pictures": (but(0, idx(LABELS)), "starts with 00 00 08 01"),
    "pictures for labels": (but(1, idx(PICTURES)), "starts with 00 00 08 03"),
    "a header that is cut": (but(0, idx(PICTURES)[:9]), "ends inside its header"),
    "values that are cut": (but(0, idx(PICTURES)[:-7]), "it holds"),
    "values that go on": (but(1, idx(LABELS) + b"\0"), "it holds more"),
    "an absurd number of pictures": (but(0, idx(PICTURES, (2**32 - 1, 6, 6))), "more than the"),
    "an absurd size in each way": (but(0, idx(PICTURES, (2**32 - 1,) * 3)), "more than the"),
    "fewer labels than pictures": (but(1, idx(LABELS[:-1])), "40 pictures and 39 labels"),
    "a label beyond the classes": (but(1, idx(LABELS + 1)), "labels up to 10"),
    "no pictures": ((idx(PICTURES[:0]), idx(LABELS[:0]), *GOOD[2:]), "the 0 pictures for training"),
    "no pictures to test": ((*GOOD[:2], idx(PICTURES[:0]), idx(LABELS[:0])), "the 0 for test"),
    "pictures without height": (
        (idx(PICTURES[:, :0]), GOOD[1], idx(PICTURES[:10, :0]), GOOD[3]),
        "pictures for training have shape",
    ),
    "pictures of another size to test": (but(2, idx(PICTURES[:10, :3])), "pictures for training have shape"),
}


def laid(place, contents, end=""):
    (place / "sets" / "mnist").mkdir(parents=True)
    for name, content in zip(PARTS, contents, strict=True):
        (place / "sets" / "mnist" / (name + end)).write_bytes(content)


@pytest.mark.parametrize("case", SETS)
def test_a_set_is_refused(case, place, refused, monkeypatch):
    contents, sentence = SETS[case]
    laid(place, contents)
    monkeypatch.setenv("LATIH_DATA", str(place / "sets"))
    assert "mnist" in refused("train mnist", names=sentence)


COMPRESSED = {
    "gzip that is cut": (gzip.compress(GOOD[0])[:-20], "cannot be read|it holds"),
    "gzip with a wrong sum": (gzip.compress(GOOD[0])[:-8] + b"\0" * 8, "cannot be read"),
    "no gzip": (GOOD[0], "cannot be read"),
    "a gzip bomb behind the values": (gzip.compress(GOOD[0] + b"\0" * 2**24), "it holds more"),
    "a gzip bomb of values": (gzip.compress(idx(PICTURES, (2**20, 2**11, 2**11)) + b"\0" * 2**20), "more than the"),
}


@pytest.mark.parametrize("case", COMPRESSED)
def test_a_compressed_set_is_refused(case, place, refused, monkeypatch):
    content, sentence = COMPRESSED[case]
    laid(place, [content, *map(gzip.compress, GOOD[1:])], ".gz")
    monkeypatch.setenv("LATIH_DATA", str(place / "sets"))
    refused("train mnist", names=sentence)
