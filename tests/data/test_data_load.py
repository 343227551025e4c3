from pathlib import Path

import numpy as np
import pytest

from latih._checks import InputError
from latih.data import NAMED, load


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "points.npz", x=np.random.rand(20, 3), y=np.arange(20) % 2)
    return tmp_path / "points.npz"


def test_a_path_may_be_text_or_a_path(file):
    assert len(load(str(file)).train) == len(load(Path(file)).train) == 18


def test_a_name_that_is_near_gets_a_hint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no such file or folder.*; did you mean 'fashion-mnist'\?$"):
        load("fashon-mnist")


def test_an_unknown_name_lists_the_sets_and_what_a_path_may_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        load("zzz")
    assert ", ".join(NAMED) in str(error.value)
    assert ".npz arrays, a .csv, .tsv or .parquet table, or a folder of pictures" in str(error.value)


def test_a_missing_file_names_the_nearest_beside_it(file):
    with pytest.raises(InputError, match=r"did you mean '.*points.npz'\?$"):
        load(file.with_name("point.npz"))


def test_another_suffix_gets_a_sentence(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"a \.pkl is not read; pass a path to \.npz"):
        load(tmp_path / "a.pkl")


@pytest.mark.parametrize("fraction", [0, 1, 2, -0.5])
def test_a_fraction_outside_is_refused(fraction):
    with pytest.raises(InputError, match=r"^load\(valid_fraction=.*both excluded; 0.1 holds out a tenth"):
        load("fashion-mini", valid_fraction=fraction)


def test_an_argument_that_the_source_would_ignore_is_refused(file):
    for source, arguments in (
        (file, {"target": "y"}),
        (file, {"size": 32}),
        (file, {"color": "gray"}),
        ("fashion-mini", {"valid": file}),
    ):
        (name,) = arguments
        with pytest.raises(InputError, match=rf"{name} is for .*; leave it out"):
            load(source, **arguments)


def test_validation_must_be_of_the_same_kind_and_exist(file, tmp_path):
    with pytest.raises(InputError, match="valid must be of the same kind, arrays"):
        load(file, valid=tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load(file, valid=tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("name", "module", "loader"),
    [("a.csv", "_table", "load_table"), ("a.PARQUET", "_table", "load_table"), ("folder", "_images", "load_images")],
)
def test_tables_and_folders_are_passed_on_with_their_arguments(tmp_path, monkeypatch, name, module, loader):
    path = tmp_path / name
    path.touch() if "." in name else path.mkdir()
    given = {}
    monkeypatch.setattr(f"latih.data.{module}.{loader}", lambda path, **arguments: given.update(arguments, path=path))
    own = {"target": "y", "strict": True} if module == "_table" else {"size": 32, "color": "gray", "workers": 2}
    load(path, valid=path, valid_fraction=0.3, seed=4, **own)
    assert given.items() >= {"path": path, "valid": path, "valid_fraction": 0.3, "seed": 4, **own}.items()
