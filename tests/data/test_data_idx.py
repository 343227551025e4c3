import contextlib
import gzip
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latih._checks import InputError
from latih.data._idx import read_idx


def idx(values):
    return bytes([0, 0, 8, values.dim()]) + struct.pack(f">{values.dim()}I", *values.shape) + values.numpy().tobytes()


PICTURES = torch.arange(24, dtype=torch.uint8).view(2, 3, 4)


@pytest.mark.parametrize("name", ["pictures", "pictures.gz"])
def test_values_and_shape_come_back(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(gzip.compress(idx(PICTURES)) if name.endswith(".gz") else idx(PICTURES))
    assert torch.equal(read_idx(file, rank=3), PICTURES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it starts with nothing"),
        (b"\x00\x00\x0d\x03" + idx(PICTURES)[4:], "it starts with 00 00 0d 03"),
        (idx(torch.zeros(2, dtype=torch.uint8)), "it starts with 00 00 08 01"),
        (idx(PICTURES)[:9], "ends inside its header"),
        (idx(PICTURES)[:-1], "promises 24 values and it holds 23"),
        (idx(PICTURES) + b"\x00", "promises 24 values and it holds more"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "more than the 1073741824 allowed"),
    ],
)
def test_a_damaged_file_gets_a_sentence(tmp_path, content, message):
    for name, stored in (("plain", content), ("packed.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(stored)
        with pytest.raises(InputError, match=message):
            read_idx(tmp_path / name, rank=3)


def test_a_file_that_is_not_gzip_or_cut_short_gets_a_sentence(tmp_path):
    for content in (idx(PICTURES), gzip.compress(idx(PICTURES))[:-12]):
        (tmp_path / "x.gz").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_idx(tmp_path / "x.gz", rank=3)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 60), st.integers(0, 255))
def test_any_changed_byte_of_a_packed_file_is_noticed_or_harmless(tmp_path_factory, place, byte):
    content = bytearray(gzip.compress(idx(PICTURES), mtime=0))
    content[place % len(content)] = byte
    file = tmp_path_factory.mktemp("idx") / "x.gz"
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        assert torch.equal(read_idx(file, rank=3), PICTURES)
