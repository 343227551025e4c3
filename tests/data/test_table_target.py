"""The target decides the task; what cannot be learnt is refused."""

import polars as pl
import pytest
import torch

from latih._checks import InputError
from latih.data._table import load_table


def table(tmp_path, values):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "".join(f"{i * 2},{value}\n" for i, value in enumerate(values)))
    return path


def task(tmp_path, values):
    data = load_table(table(tmp_path, values), target="y")
    return data.task, data.classes


def test_a_target_of_fractions_is_regression_with_one_output(tmp_path):
    path = table(tmp_path, [i / 4 for i in range(40)])
    data = load_table(path, target="y", valid=path)
    assert (data.task, data.classes) == ("regression", ())
    assert data.train.targets.dtype == torch.float32
    assert data.train.targets.tolist() == [[i / 4] for i in range(40)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([i % 3 for i in range(40)], ("classification", ("0", "1", "2"))),
        ([f"{i % 3}.0" for i in range(40)], ("classification", ("0", "1", "2"))),
        ([i % 12 - 1 for i in range(40)], ("classification", tuple(str(i) for i in range(-1, 11)))),
        ([i % 20 for i in range(40)], ("classification", tuple(map(str, range(20))))),
        ([i % 21 for i in range(60)], ("regression", ())),
        ([i % 15 for i in range(20)], ("regression", ())),
        ([i % 2 == 0 for i in range(40)], ("classification", ("false", "true"))),
        (["b", "ä", "a", "Z"] * 10, ("classification", ("Z", "a", "b", "ä"))),
        ([0.5, 1.0, 1.5] * 10, ("regression", ())),
    ],
)
def test_the_task_follows_from_the_values(tmp_path, values, expected):
    assert task(tmp_path, values) == expected


def test_the_decision_is_noted(tmp_path):
    assert load_table(table(tmp_path, [0, 1] * 20), target="y").notes[0] == (
        "target 'y': whole numbers, 2 different values; the task is classification"
    )


def test_a_parquet_category_is_a_class(tmp_path):
    frame = pl.DataFrame({"x": range(20), "y": ["b", "a"] * 10}, schema_overrides={"y": pl.Enum(["b", "a"])})
    frame.write_parquet(tmp_path / "t.parquet")
    assert load_table(tmp_path / "t.parquet", target="y").classes == ("a", "b")


def test_rows_without_a_target_are_dropped_and_counted(tmp_path):
    path = table(tmp_path, ["", "NA", "inf", *[i / 4 for i in range(17)]])
    data = load_table(path, target="y")
    assert len(data.train) + len(data.valid) == 17
    assert "3 of 20 rows left out: the target 'y' is missing or infinite" in data.notes
    with pytest.raises(InputError, match=r"3 of 20 rows left out.*do without strict"):
        load_table(path, target="y", strict=True)


def test_no_target_asks_for_one_of_the_columns(tmp_path):
    with pytest.raises(InputError, match="Pass --target with one of 'x', 'y'"):
        load_table(table(tmp_path, [0, 1] * 5), target=None)


def test_a_wrong_target_gets_the_nearest_name_and_the_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("price,size\n1,2\n3,4\n")
    with pytest.raises(InputError, match=r"no target column 'prize'; did you mean 'price'\? the columns are 'price'"):
        load_table(path, target="prize")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1] * 20, "one value only, 1.0"),
        (["a"] * 20, "one value only, 'a'"),
        ([""] * 20, "has no value"),
        ([f"2024-01-{i + 1:02}" for i in range(20)], "must be a number or a class"),
        ([f"name {i}" for i in range(20)], "differs in each of its 20 rows"),
        ([*range(19), "abc"], "column 'y', row 20: 'abc' is not a number"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(tmp_path, values, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        load_table(table(tmp_path, values), target="y")
    assert "\n" not in str(refusal.value)


def test_one_row_is_refused(tmp_path):
    with pytest.raises(InputError, match="one value only"):
        load_table(table(tmp_path, [1]), target="y")


def test_a_class_of_one_row_is_noted(tmp_path):
    data = load_table(table(tmp_path, ["a", "b"] * 10 + ["rare"]), target="y")
    assert any("single example" in note and "rare" in note for note in data.notes)
