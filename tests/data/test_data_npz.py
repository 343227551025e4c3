import contextlib
import zipfile

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latih._checks import InputError
from latih.data import AnySchema, ArraySchema, load
from latih.data import _archive as archive


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data.npz"


def vectors(count=20):
    return np.arange(count * 3, dtype=np.float64).reshape(count, 3)


def labels(count=20):
    return np.arange(count) % 2


def refused(file, message, strict=False, valid=None, **arrays):
    with pytest.raises(InputError, match=message) as error:
        load(saved(file, **arrays) if arrays else file, strict=strict, valid=valid)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_x_and_y_are_split(file):
    data = load(saved(file, x=vectors(), y=labels()), valid_fraction=0.2)
    assert (data.name, data.task, data.classes, data.notes) == ("data.npz", "classification", ("0", "1"), ())
    assert data.schema == ArraySchema((3,), "float32")
    assert (len(data.train), len(data.valid), data.test) == (16, 4, None)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.dtype == torch.int64
    assert torch.equal((data.valid.inputs[:, 0] / 3).long() % 2, data.valid.targets)


@pytest.mark.parametrize("valid", ["valid", "val"])
@pytest.mark.parametrize("train", ["_train", ""])
def test_parts_in_the_file_are_kept_as_they_are(file, valid, train):
    arrays = {f"x{train}": vectors(), f"y{train}": labels(), f"x_{valid}": vectors(4), f"y_{valid}": labels(4)}
    data = load(saved(file, **arrays, x_test=vectors(6), y_test=labels(6)))
    assert (len(data.train), len(data.valid), len(data.test)) == (20, 4, 6)
    assert torch.equal(data.train.inputs, torch.from_numpy(vectors()).float())


def test_a_second_file_validates(file, tmp_path):
    for arrays in ({"x": vectors(4), "y": labels(4)}, {"x_val": vectors(4), "y_val": labels(4)}):
        data = load(saved(file, x=vectors(), y=labels()), valid=saved(tmp_path / "other.npz", **arrays))
        assert (len(data.train), len(data.valid)) == (20, 4)
    refused(file, "rename x_valid", x=vectors(), y=labels(), x_valid=vectors(), valid=tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((28, 28), np.uint8, (1, 28, 28)),
        ((28, 28, 1), np.uint8, (1, 28, 28)),
        ((28, 27, 3), np.uint8, (3, 28, 27)),
        ((28, 27, 4), np.float64, (4, 28, 27)),
        ((3, 28, 27), np.float32, (3, 28, 27)),
        ((8, 9), np.float64, (1, 8, 9)),
        ((5,), np.int64, (5,)),
        ((5,), np.uint8, (5,)),
        ((), np.float16, (1,)),
        ((5,), bool, (5,)),
        ((5,), ">f8", (5,)),
    ],
)
def test_pictures_get_channels_first_and_vectors_stay(file, shape, dtype, expected):
    values = np.random.default_rng(0).integers(0, 200, (12, *shape)).astype(dtype)
    data = load(saved(file, x=values, y=labels(12)), seed=1)
    kept = "uint8" if dtype == np.uint8 and len(shape) > 1 else "float32"
    assert data.schema == ArraySchema(expected, kept)
    raw = data.schema.read(file)
    assert str(raw.values.dtype) == f"torch.{kept}"
    channels_last = len(shape) == 3 and shape[-1] in (1, 3, 4)
    reference = np.moveaxis(values, -1, 1) if channels_last else values
    assert np.array_equal(raw.values.numpy(), reference.reshape(12, *expected).astype(kept))


@pytest.mark.parametrize(
    ("y", "classes", "first"),
    [
        (np.array(["cat", "ape", "cat", "dog"] * 3), ("ape", "cat", "dog"), 1),
        (np.array([b"b", b"a"] * 6), ("a", "b"), 1),
        (np.array([True, False] * 6), ("0", "1"), 1),
        (np.array([[2], [1], [0]] * 4, np.uint8), ("0", "1", "2"), 2),
        (np.eye(3, dtype=np.float32)[[2, 1, 0] * 4], ("0", "1", "2"), 2),
        (np.arange(12)[::-1] % 11, tuple(map(str, range(11))), 0),
    ],
)
def test_classes_are_read_from_numbers_text_and_one_hot_rows(file, y, classes, first):
    data = load(saved(file, x=vectors(12), y=y, x_val=vectors(12), y_val=y))
    assert data.classes == classes
    assert data.valid.targets[0] == first
    assert data.valid.targets.shape == (12,)
    assert any("one-hot" in note for note in data.notes) == (y.ndim == 2 and y.shape[1] > 1)


def test_float_targets_are_regressed_on(file):
    data = load(saved(file, x=vectors(), y=np.linspace(0, 1, 20)))
    assert (data.task, data.classes, data.notes) == ("regression", (), ())
    assert (data.train.targets.shape, data.train.targets.dtype) == ((18, 1), torch.float32)
    data = load(saved(file, x=vectors(), y=np.random.rand(20, 2)))
    assert data.train.targets.shape == (18, 2)


def test_whole_numbers_stored_as_float_are_noted(file):
    (note,) = load(saved(file, x=vectors(), y=labels().astype(float))).notes
    assert note.endswith("y is stored as float and so is regressed on; store whole numbers as integers to classify")


@pytest.mark.parametrize("y", [[1, 2] * 10, [0, 2] * 10, [-1, 1] * 10, [0, 1, 1, 3] * 5])
def test_labels_with_gaps_are_out_of_range(file, y):
    refused(file, "labels out of range: . classes are numbered", x=vectors(), y=np.array(y))


@pytest.mark.parametrize("y", [np.zeros(20, int), np.array(["a"] * 20), np.zeros(20, bool)])
def test_one_class_is_refused(file, y):
    refused(file, "nothing to learn", x=vectors(), y=y)


@pytest.mark.parametrize(
    ("train", "other"), [(labels(), [0, 2]), (labels(), [-1, 0]), (np.array(["a", "b"] * 10), ["a", "c"])]
)
def test_labels_that_training_lacks_are_refused(file, train, other):
    refused(file, "is not among the 2 classes", x=vectors(), y=train, x_val=vectors(2), y_val=np.array(other))


def test_targets_of_another_kind_than_training_are_refused(file):
    parts = {"x": vectors(), "x_val": vectors(2)}
    refused(file, "store them alike", **parts, y=labels(), y_val=np.array([0.0, 1.0]))
    refused(file, "store them alike", **parts, y=np.linspace(0, 1, 20), y_val=np.array(["a", "b"]))
    refused(file, "targets of shape", **parts, y=np.linspace(0, 1, 20), y_val=np.random.rand(2, 2))


def test_missing_infinite_and_too_large_values_are_noted_or_refused(file):
    values, targets = vectors(), np.linspace(0, 1, 20)
    values[0, 0], values[1, 1], values[2, 2], targets[3] = np.nan, np.inf, 1e300, np.nan
    parts = {"x": values, "y": targets, "x_val": vectors(), "y_val": targets}
    notes = load(saved(file, **parts)).notes
    assert notes == (
        "3 of 60 train inputs are NaN or infinite",
        "1 of 20 train targets are NaN or infinite",
        "1 of 20 valid targets are NaN or infinite",
    )
    refused(file, "strict=True.*3 of 60 train inputs", strict=True)


def test_a_class_of_one_example_is_noted(file):
    assert "kept for training: 2" in load(saved(file, x=vectors(), y=np.array([2] + [0, 1] * 9 + [1]))).notes[0]


def test_arrays_that_are_not_used_are_noted(file):
    data = load(saved(file, x=vectors(), y=labels(), x_test=vectors(), ids=labels()))
    assert data.notes == ("arrays not used: x_test, ids",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": vectors(), "y": labels()}, "no array 'x'; .* holds X, y; did you mean 'X'?"),
        ({"x_train": vectors(), "y_trian": labels()}, "no array 'y_train'; .* did you mean 'y_trian'?"),
        ({"a": vectors()}, r"no array 'x'; .* holds a; write it with numpy.savez"),
        ({"x": vectors(), "y": labels(), "x_val": vectors()}, "no array 'y_val'"),
        ({"x": vectors(), "y": labels(19)}, r"x has shape \(20, 3\) and y \(19,\)"),
        ({"x": vectors(), "y": np.float32(1)}, r"x has shape \(20, 3\) and y \(\)"),
        ({"x": vectors(0), "y": labels(0)}, "nothing to learn from"),
        ({"x": np.zeros((4, 2, 2, 2, 2)), "y": labels(4)}, "inputs of shape"),
        ({"x": np.zeros((4, 5, 5, 7)), "y": labels(4)}, "no axis of 1, 3 or 4 channels"),
        ({"x": np.array(["a"] * 4), "y": labels(4)}, "cannot be trained on"),
        ({"x": np.zeros(4, complex), "y": labels(4)}, "cannot be trained on"),
        ({"x": vectors(), "y": np.arange(40).reshape(20, 2)}, "neither one label a row nor one-hot"),
        ({"x": vectors(), "y": np.zeros((20, 2, 2))}, "are no targets"),
        ({"x": vectors(), "y": np.zeros(20, "M8[s]")}, "are no targets"),
        ({"x": vectors(1), "y": np.zeros(1)}, "at least 2 examples"),
        ({"x": vectors(), "y": labels(), "x_val": np.zeros((20, 4)), "y_val": labels()}, "inputs of shape"),
        (
            {"x": np.zeros((4, 5, 5)), "y": labels(4), "x_val": np.zeros((4, 5, 5), np.uint8), "y_val": labels(4)},
            "inputs of type uint8, but those of training are float32",
        ),
    ],
)
def test_arrays_that_do_not_fit_get_a_sentence(file, arrays, message):
    refused(file, message, **arrays)


def test_objects_are_never_unpickled(file):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    refused(file, "would have to be unpickled", x=vectors(), y=np.array([Bomb()] * 20, object))
    np.save(file.with_suffix(".npy"), np.array([Bomb()], object))
    file.with_suffix(".npy").rename(file)
    refused(file, "not a readable .npz")


def test_a_header_that_claims_more_than_is_stored_is_refused(file):
    with zipfile.ZipFile(file, "w") as target, target.open("x.npy", "w") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(480))
    refused(file, "array 'x' is damaged .its header claims 24000000000000 bytes and 480 are stored")


def test_a_file_above_the_limit_is_refused_before_it_is_read(file, monkeypatch):
    monkeypatch.setattr(archive, "LIMIT", 500)
    refused(file, "more than the 500 allowed", x=vectors(), y=labels())


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_damaged_file_loads_or_gets_a_sentence(tmp_path_factory, changes, cut):
    file = tmp_path_factory.mktemp("npz") / "x.npz"
    np.savez_compressed(file, x=vectors(), y=labels())
    content = bytearray(file.read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    file.write_bytes(content[: changes[0][0] % len(content)] if cut else content)
    with contextlib.suppress(InputError):
        assert len(load(file).train) == 18


def test_predict_reads_x_alone_and_numbers_the_rows(file):
    raw = ArraySchema((3,), "float32").read(saved(file, x=vectors(3)))
    assert raw.ids == ["1", "2", "3"]
    assert torch.equal(raw.values, torch.from_numpy(vectors(3)).float())


@pytest.mark.parametrize(
    ("schema", "x", "message"),
    [
        (ArraySchema((4,), "float32"), vectors(), r"inputs of shape \(3,\) do not fit the model"),
        (ArraySchema((1, 2, 2), "uint8"), np.zeros((3, 2, 2)), "inputs of type float32 do not fit"),
        (ArraySchema((3,), "float32"), vectors() * np.nan, "60 values of x are NaN"),
    ],
)
def test_predict_refuses_what_the_model_was_not_trained_on(file, schema, x, message):
    with pytest.raises(InputError, match=message):
        schema.read(saved(file, x=x))


def test_predict_refuses_another_kind_of_file(tmp_path):
    with pytest.raises(InputError, match=r"an \.npz file is needed"):
        ArraySchema((3,), "float32").read(tmp_path / "x.csv")


def test_a_schema_survives_being_saved():
    schema = ArraySchema((1, 28, 28), "uint8")
    assert msgspec.json.decode(msgspec.json.encode(schema), type=AnySchema) == schema


def test_prediction_takes_the_test_inputs_where_there_is_no_x(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.savez(tmp_path / "parts.npz", x_train=x[:1], x_test=x, y_train=[0], y_test=[0, 1, 0, 1])
    read = ArraySchema(shape=(3,), dtype="float32").read(tmp_path / "parts.npz")
    np.testing.assert_array_equal(read.values.numpy(), x)
