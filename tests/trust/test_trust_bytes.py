"""Whatever bytes a file holds, it is read, or refused with a sentence that names it."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from latih import InputError
from latih._recipe import Recipe
from latih.data import load

KEPT = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bytes")


def read_or_refused(path, content, read):
    path.write_bytes(content)
    said = f"{path.name}."
    try:
        read(path)
    except InputError as error:
        said = str(error)
    assert path.name in said
    assert said.endswith((".", "?"))


CELLS = st.text('abc019.,;"\n\r\t -:\ufeff\u00e9\u2028', max_size=12)
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=8).map(
    lambda rows: "\n".join(",".join(row) for row in rows).encode()
)


@KEPT
@given(st.binary(max_size=300) | TABLES.map(lambda table: b"a,b,y\n" + table) | TABLES)
@example(b"a,y\n" + b'"' * 99)
@example(b"y,a\r\n1,2\r3,4\n")
@example(b'"a\nb",y\n1,2\n3,4\n')
@example(b"\x0b\n1,2\n")
def test_a_csv_file_of_any_bytes(folder, content):
    read_or_refused(folder / "table.csv", content, lambda path: load(path, target="y"))


@KEPT
@given(st.binary(max_size=200), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_an_npz_file_of_any_bytes(folder, content, place, damage):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(12.0).reshape(6, 2), y=np.arange(6) % 2)
    good = buffer.getvalue()
    for tried in (content, good[:place] + damage + good[place + len(damage) :]):
        read_or_refused(folder / "data.npz", tried, load)


HEADERS = st.sampled_from(["'<f4'", "'|O'", "'<U0'", "'>i8'", "[('a', '<f4')]", "'|V3'", "1", "None", "'<M8[s]'"])
SHAPES = st.lists(st.integers(-3, 9) | st.integers(), max_size=5).map(tuple) | st.just("x")


@KEPT
@given(HEADERS, SHAPES, st.sampled_from([True, False, None]), st.binary(max_size=64), st.text(max_size=9))
def test_an_npz_file_with_any_header(folder, kind, shape, order, body, more):
    words = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}{more}}}\n".encode()
    member = b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words + body
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    read_or_refused(folder / "data.npz", (folder / "made.zip").read_bytes(), load)


PIECES = st.sampled_from(
    ["epochs", "lr", "=", "[", "]", "{", "}", '"', "'", "\n", "source", ".", "1", "nan", "#", "data"]
)


@KEPT
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=20).map(lambda parts: "".join(parts).encode()))
@example(b"a=" + b"[" * 5000)
def test_a_recipe_of_any_bytes(folder, content):
    read_or_refused(folder / "mine.toml", content, lambda path: Recipe.read(path))


@KEPT
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"\xff\xd8\xff"])
)
def test_an_image_of_any_bytes(folder, content, start):
    from latih.data import ImageSchema

    schema = ImageSchema((1, 8, 8))
    read_or_refused(folder / "image.png", start + content, schema.read)
