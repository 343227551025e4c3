"""Archives of arrays that are not what they should be."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

X, Y = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2


class Payload:
    """Unpickled, it would leave a file."""

    def __reduce__(self):
        return os.mkdir, ("payload-ran",)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(text, body=b"", version=b"\x01\x00"):
    """An .npy member whose header is `text`."""
    words = text.encode() + b"\n"
    length = len(words).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + words + body


def claim(shape, descr="'<f4'", order="False", body=b""):
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", body)


def archive(x=None, y=None, how=zipfile.ZIP_STORED, **members):
    """An archive of raw members; what is not given is good."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        file.writestr("x.npy", npy(X) if x is None else x)
        file.writestr("y.npy", npy(Y) if y is None else y)
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def patched(content, mark, offset, new):
    """The same archive with `new` at `offset` behind each `mark` of a record."""
    place = content.find(mark)
    while place >= 0:
        content = content[: place + offset] + new + content[place + offset + len(new) :]
        place = content.find(mark, place + 4)
    return content


def lied_about(content, size):
    """The same archive, whose central directory claims that each member unpacks to `size` bytes."""
    return patched(content, b"PK\x01\x02", 24, size.to_bytes(4, "little"))


def compressed_by(content, method):
    return patched(patched(content, b"PK\x01\x02", 10, method), b"PK\x03\x04", 8, method)


def packed_objects(inner):
    text = "{'descr': '|O', 'fortran_order': False, 'shape': (40,), }"
    return archive(x=header(text, pickle.dumps(inner)))


GOOD = npz(x=X, y=Y)
FILES = {
    "no bytes": (b"", "not a readable .npz"),
    "text": (b"x,y\n1,2\n", "not a readable .npz"),
    "an npy file": (npy(X), "not a readable .npz"),
    "a pickle": (pickle.dumps({"x": Payload()}), "not a readable .npz"),
    "cut in the middle": (GOOD[: len(GOOD) // 2], "not a readable .npz"),
    "without its beginning": (GOOD[50:], "damaged|readable"),
    "an empty archive": (b"PK\x05\x06" + b"\0" * 18, "no arrays"),
    "no array x": (npz(inputs=X, y=Y), "no array 'x'"),
    "capital letters": (npz(X=X, Y=Y), "did you mean 'X'"),
    "no array y": (npz(x=X), "no array 'y'"),
    "a member that is no array": (archive(x=b"hello"), "damaged"),
    "a member of no bytes": (archive(x=b""), "damaged"),
    "a pickled object": (npz(x=np.array([Payload()] * 40, dtype=object), y=Y), "Python objects"),
    "a pickle bomb in a header of objects": (packed_objects(Payload()), "Python objects"),
    "a field of objects": (archive(x=claim((40,), "[('a', '|O')]")), "Python objects"),
    "an object array as targets": (npz(x=X, y=np.array(["a", None] * 20, dtype=object)), "Python objects"),
    "a shape beyond memory": (archive(x=claim((10**6, 10**6))), "header claims"),
    "a shape beyond 64 bits": (archive(x=claim((2**62, 2**62))), "header claims"),
    "a shape of absurd length": (archive(x=claim((1,) * 40 + (0,))), "damaged|shape|header"),
    "zero times absurd": (archive(x=claim((10**30, 0))), "damaged|shape|claims"),
    "an absurd number": (archive(x=claim(f"({'9' * 5000},)")), "damaged"),
    "one negative side": (archive(x=claim((-40, 3), body=X.tobytes())), "header claims"),
    "two negative sides": (archive(x=claim((-40, -3), body=X.tobytes())), "header claims"),
    "a shape of floats": (archive(x=claim("(40.0, 3)", body=X.tobytes())), "damaged"),
    "a shape of truths": (archive(x=claim("(True, False)")), "damaged|shape"),
    "no shape": (archive(x=header("{'descr': '<f4', 'fortran_order': False}")), "damaged"),
    "a header that is an expression": (archive(x=header("__import__('os').mkdir('payload-ran')")), "damaged"),
    "a header nested beyond the stack": (archive(x=header("(" * 9000 + ")" * 9000)), "damaged"),
    "a header that is not closed": (archive(x=header("{'descr': '<f4', 'shape': (40, 3")), "damaged"),
    "a header of 60,000 characters": (archive(x=header("{" + " " * 60_000 + "}")), "damaged"),
    "a header that is cut": (archive(x=npy(X)[:40]), "damaged"),
    "values that are cut": (archive(x=npy(X)[:-5]), "header claims"),
    "values that go on": (archive(x=npy(X) + b"\0" * 9), "header claims"),
    "npy version 3": (archive(x=header("{}", version=b"\x03\x00")), "version 3"),
    "npy version 9": (archive(x=header("{}", version=b"\x09\x00")), "damaged|version"),
    "an unknown type": (archive(x=claim((40, 3), "'<q9'")), "damaged"),
    "a type that is code": (archive(x=claim((40, 3), "__import__('os')")), "damaged"),
    "texts without room": (archive(y=claim((10**9,), "'<U0'")), "header claims"),
    "records as inputs": (npz(x=np.zeros(40, [("a", "f4"), ("b", "i4")]), y=Y), "cannot be trained on"),
    "records as targets": (npz(x=X, y=np.zeros(40, [("a", "f4")])), "no targets"),
    "complex inputs": (npz(x=X.astype(np.complex64), y=Y), "cannot be trained on"),
    "dates as inputs": (npz(x=np.zeros((40, 3), "datetime64[s]"), y=Y), "cannot be trained on"),
    "texts as inputs": (npz(x=np.full((40, 3), "a"), y=Y), "cannot be trained on"),
    "inputs without rows": (npz(x=X[:0], y=Y[:0]), "nothing to learn from"),
    "inputs without columns": (npz(x=X[:, :0], y=Y), "nothing to learn from"),
    "a single number": (npz(x=np.float32(1), y=np.int64(1)), "shape|targets|lengths"),
    "five dimensions": (npz(x=np.zeros((40, 2, 2, 2, 2), np.float32), y=Y), "inputs of shape"),
    "pictures of seven channels": (npz(x=np.zeros((40, 5, 5, 7), np.uint8), y=Y), "no axis of 1, 3 or 4"),
    "lengths that differ": (npz(x=X, y=Y[:-1]), "one row for each example"),
    "one class": (npz(x=X, y=np.zeros(40, int)), "nothing to learn"),
    "labels with a gap": (npz(x=X, y=Y * 7), "labels out of range"),
    "negative labels": (npz(x=X, y=Y - 1), "labels out of range"),
    "labels beyond 64 bits": (npz(x=X, y=(Y.astype(np.uint64) * np.uint64(2**63))), "labels out of range"),
    "two columns of labels": (npz(x=X, y=np.stack([Y * 2, Y], 1)), "neither one label"),
    "one example": (npz(x=X[:1], y=Y[:1]), "nothing to learn|at least 2"),
    "a test part of another shape": (npz(x=X, y=Y, x_test=X[:, :2], y_test=Y), "make them alike"),
    "validation labels that are new": (npz(x=X, y=Y, x_valid=X, y_valid=Y + 1), "labels out of range"),
    "a size that is a lie": (lied_about(archive(how=zipfile.ZIP_DEFLATED), 2**31), "bytes|damaged|claims"),
    "sizes that are a bomb": (lied_about(archive(), 0xFFFFFFF0), "damaged|claims|bytes"),
    "an unknown compression": (compressed_by(archive(), b"\x63\0"), "damaged"),
    "a compression that it is not": (compressed_by(archive(), b"\x0e\0"), "damaged"),
    "an encrypted member": (patched(archive(), b"PK\x01\x02", 8, b"\1\0"), "damaged"),
}


@pytest.mark.parametrize("case", FILES)
def test_an_archive_is_refused(case, place, refused):
    content, sentence = FILES[case]
    (place / "data.npz").write_bytes(content)
    assert "data.npz" in refused("train data.npz", names=sentence)
    assert not (place / "payload-ran").exists()


TO_PREDICT = {
    "another width": (npz(x=X[:, :2]), r"trained on \(3,\)"),
    "bytes for floats": (npz(x=np.zeros((4, 3), "U1")), "cannot be trained on"),
    "NaN": (npz(x=np.full((4, 3), np.nan)), "NaN or infinite"),
    "infinities": (npz(x=np.full((4, 3), np.inf)), "NaN or infinite"),
    "beyond float32": (npz(x=np.full((4, 3), 1e300)), "NaN or infinite"),
    "no rows": (npz(x=X[:0]), "not empty|nothing"),
    "objects": (npz(x=np.array([[Payload()] * 3] * 4, dtype=object)), "Python objects"),
}


@pytest.mark.parametrize("case", TO_PREDICT)
def test_an_archive_to_predict_is_refused(case, place, refused):
    content, sentence = TO_PREDICT[case]
    (place / "data.npz").write_bytes(content)
    assert "data.npz" in refused("predict run data.npz", names=sentence)


def test_member_names_that_lead_out_of_the_folder_are_names_only(place, capfd):
    from latih.data import load

    bad = {"../outside.npy": npy(X), "/latih-outside.npy": npy(X), "a\\..\\b.npy": npy(X)}
    (place / "data.npz").write_bytes(archive(**bad))
    assert "arrays not used: ../outside" in " ".join(load(place / "data.npz").notes)
    assert not (place.parent / "outside.npy").exists()


def test_columns_first_and_another_byte_order_are_read(place):
    from latih.data import load

    np.savez(place / "data.npz", x=np.asfortranarray(X.astype(">f8")), y=Y.astype(">i2"))
    assert load(place / "data.npz").train.shape == (3,)


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_is_refused(make, place, refused):
    make(place / "data.npz")
    refused("train data.npz", names="no file")
    refused("predict run data.npz", names="no file|no such file")
