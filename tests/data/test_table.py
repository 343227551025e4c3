"""Tables become a float32 matrix, a target and a schema that reads raw rows the same way."""

import datetime

import msgspec
import polars as pl
import pytest
import torch

from latih._checks import InputError
from latih.data import _table_schema
from latih.data._base import Schema
from latih.data._table import load_table
from latih.data._table_schema import TableSchema, codes


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(count, line):
    return "".join(line(i) + "\n" for i in range(count))


def all_inputs(data):
    return torch.cat([data.train.inputs, data.valid.inputs])


def note(data, word):
    return next((note for note in data.notes if word in note), None)


@pytest.fixture
def mixed(tmp_path):
    """Forty rows: a number, a text of three values, a boolean, and a class."""
    return write(
        tmp_path,
        "age,town,member,grade\n"
        + rows(
            40, lambda i: f"{i + 0.5},{['Ghent', 'Lyon', 'Oslo'][i % 3]},{i % 2 == 0},{'pass' if i % 4 else 'fail'}"
        ),
    )


def test_numbers_come_first_and_categories_become_codes_from_one(mixed):
    data = load_table(mixed, target="grade", valid_fraction=0.25)
    assert data.name == "table"
    assert data.task == "classification"
    assert data.classes == ("fail", "pass")
    assert data.schema == TableSchema(
        "grade", ["age"], {"town": ["Ghent", "Lyon", "Oslo"], "member": ["false", "true"]}, {}
    )
    assert (len(data.train), len(data.valid), data.train.shape) == (30, 10, (3,))
    assert data.train.inputs.dtype == torch.float32
    for inputs, target in zip(all_inputs(data), torch.cat([data.train.targets, data.valid.targets]), strict=True):
        i = int(inputs[0] - 0.5)
        assert inputs.tolist() == [i + 0.5, 1 + i % 3, 1 + (i % 2 == 0)]
        assert target == (1 if i % 4 else 0)


def test_the_same_seed_gives_the_same_parts_and_another_seed_others(mixed):
    first, again, other = (load_table(mixed, target="grade", seed=seed).train.inputs for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_parquet_and_csv_of_the_same_table_give_the_same_tensors(mixed, tmp_path):
    frame = pl.read_csv(mixed).with_columns(pl.col("town").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "table.parquet")
    text, typed = load_table(mixed, target="grade"), load_table(tmp_path / "table.parquet", target="grade")
    assert text.schema == typed.schema
    assert torch.equal(text.train.inputs, typed.train.inputs)
    assert torch.equal(text.valid.targets, typed.valid.targets)


def test_a_schema_survives_json_and_reads_raw_rows_as_training_did(mixed, tmp_path):
    schema = load_table(mixed, target="grade").schema
    schema = msgspec.json.decode(msgspec.json.encode(schema), type=TableSchema)
    raw = write(tmp_path, "extra,member,town,age\nx,TRUE,Oslo,3\nx,false,Rome,\n", "raw.csv")
    inputs = schema.read(raw)
    assert inputs.ids == ["1", "2"]
    assert inputs.values[0].tolist() == [3.0, 3.0, 2.0]
    assert inputs.values[1].isnan().tolist() == [True, False, False]
    assert inputs.values[1, 1:].tolist() == [0.0, 1.0]
    assert isinstance(schema, Schema)


def test_prediction_refuses_a_missing_column_with_the_nearest_name(mixed, tmp_path):
    schema = load_table(mixed, target="grade").schema
    with pytest.raises(InputError, match=r"no column 'town'; did you mean 'twon'\? the columns are 'age', 'twon'"):
        schema.read(write(tmp_path, "age,twon,member\n1,Oslo,true\n", "raw.csv"))


def test_prediction_names_the_cell_that_is_not_a_number(mixed, tmp_path):
    schema = load_table(mixed, target="grade").schema
    with pytest.raises(InputError, match="column 'age', row 2: 'old' is not a number"):
        schema.read(write(tmp_path, "age,town,member\n1,Oslo,true\nold,Oslo,true\n", "raw.csv"))


def test_prediction_ids_are_rows_of_the_file_and_blank_lines_count(mixed, tmp_path):
    schema = load_table(mixed, target="grade").schema
    raw = write(tmp_path, "age,town,member\n1,Oslo,true\n\n2,Oslo,true\n\n\n", "raw.csv")
    assert schema.read(raw).ids == ["1", "3"]


def test_the_vocabulary_comes_from_the_training_rows_only(tmp_path):
    path = write(tmp_path, "x,town,y\n" + rows(20, lambda i: f"{i},{'AB'[i % 2]},{i}.5"))
    valid = write(tmp_path, "x,town,y\n1,A,0.5\n2,C,0.5\n", "valid.csv")
    data = load_table(path, target="y", valid=valid)
    assert data.schema.categorical == {"town": ["A", "B"]}
    assert data.valid.inputs[:, 1].tolist() == [1.0, 0.0]
    assert "'town' 1" in note(data, "training lacks")
    held_out = "x,town,y\n" + rows(20, lambda i: f"{i},{f'rare{i}' if i % 4 == 0 else 'often'},{i}.5")
    data = load_table(write(tmp_path, held_out), target="y", valid_fraction=0.5)
    unseen = data.valid.inputs[data.valid.inputs[:, 0] % 4 == 0]
    assert len(unseen) > 0
    assert (unseen[:, 1] == 0).all()
    assert len(data.schema.categorical["town"]) == 1 + int((data.train.inputs[:, 0] % 4 == 0).sum())


def test_a_validation_file_must_have_the_training_classes(tmp_path, mixed):
    valid = write(tmp_path, "age,town,member,grade\n1,Oslo,true,great\n", "valid.csv")
    with pytest.raises(InputError, match="'grade' holds 'great', which training does not have"):
        load_table(mixed, target="grade", valid=valid)


def test_a_validation_file_may_write_whole_classes_as_fractions(tmp_path):
    path = write(tmp_path, "x,y\n" + rows(20, lambda i: f"{i},{i % 2}"))
    valid = write(tmp_path, "x,y\n1,1.0\n2,0.0\n", "valid.csv")
    assert load_table(path, target="y", valid=valid).valid.targets.tolist() == [1, 0]


def test_missing_and_infinite_cells_become_nan_and_are_counted(tmp_path):
    cells = ["", "NA", "inf", "-inf", "1e300", "?", *map(str, range(14))]
    path = write(tmp_path, "x,town,y\n" + rows(20, lambda i: f"{cells[i]},{'' if i == 3 else 'AB'[i % 2]},{i}.5"))
    data = load_table(path, target="y", valid_fraction=0.1)
    assert int(all_inputs(data)[:, 0].isnan().sum()) == 6
    assert note(data, "of 20 rows") == (
        "of 20 rows, cells are missing: 'x' 3, 'town' 1; infinite (or beyond float32): 'x' 3"
    )
    with pytest.raises(InputError, match=r"missing: 'x' 3, 'town' 1; infinite .*'x' 3; fill in the cells"):
        load_table(path, target="y", strict=True)


def test_an_integer_beyond_64_bits_is_a_number(tmp_path):
    path = write(tmp_path, "x,y\n" + rows(20, lambda i: f"{10**30 * i},{i}.5"))
    assert all_inputs(load_table(path, target="y"))[:, 0].max() == pytest.approx(1.9e31, rel=1e-6)


def test_numbers_that_float32_cannot_tell_apart_are_noted(tmp_path):
    path = write(tmp_path, "time,x,y\n" + rows(40, lambda i: f"{1_700_000_000 + i},{i * 0.1},{i}.5"))
    assert "'time'" in note(load_table(path, target="y"), "float32 cannot tell")
    assert "'x'" not in note(load_table(path, target="y"), "float32 cannot tell")


def test_a_column_that_is_nearly_all_numbers_is_refused_with_the_first_wrong_cell(tmp_path):
    cells = [str(i) for i in range(40)]
    cells[16], cells[30] = "abc", "x"
    path = write(tmp_path, "age,y\n" + rows(40, lambda i: f"{cells[i]},{i}.5"))
    with pytest.raises(InputError, match=r"column 'age', row 17: 'abc' is not a number \(nor are 1 more\); write it"):
        load_table(path, target="y")


def test_the_row_that_is_named_counts_rows_that_were_dropped(tmp_path):
    path = write(tmp_path, "age,y\n" + "1,\n\n" + rows(40, lambda i: f"{'abc' if i == 0 else i},{i}.5"))
    with pytest.raises(InputError, match="row 3: 'abc'"):
        load_table(path, target="y")


def test_fewer_than_nine_in_ten_numbers_are_categories(tmp_path):
    path = write(tmp_path, "code,y\n" + rows(40, lambda i: f"{'A' if i % 5 == 0 else i % 5},{i}.5"))
    assert load_table(path, target="y").schema.categorical == {"code": ["1", "2", "3", "4", "A"]}


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])
def test_dates_become_days_since_the_first_in_training(tmp_path, form):
    def line(i):
        return f"{(datetime.datetime(2024, 2, 28, 12) + datetime.timedelta(days=i)).strftime(form)},{i}.5"

    path = write(tmp_path, "day,y\n" + rows(20, line))
    data = load_table(path, target="y", valid=path)
    expected = torch.arange(20.0) + (0.5 if "%H" in form else 0.0)
    assert torch.equal(data.train.inputs[:, 0], expected)
    assert data.schema.dates == {"day": datetime.date(2024, 2, 28)}
    assert note(data, "days since the first")
    copy = msgspec.json.decode(msgspec.json.encode(data.schema), type=TableSchema)
    assert torch.equal(copy.read(path).values, data.train.inputs)


def test_dates_of_parquet_equal_dates_of_text(tmp_path):
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    moments = [start + datetime.timedelta(hours=6 * i) for i in range(20)]
    frame = pl.DataFrame({"at": moments, "day": [m.date() for m in moments], "y": [i + 0.5 for i in range(20)]})
    frame.write_parquet(tmp_path / "t.parquet")
    data = load_table(tmp_path / "t.parquet", target="y", valid=tmp_path / "t.parquet")
    assert torch.equal(data.train.inputs[:, 0], torch.arange(20) / 4)
    assert torch.equal(data.train.inputs[:, 1], torch.arange(20) // 4)
    text = write(tmp_path, "at,day\n" + "".join(f"{m.isoformat()},{m.date()}\n" for m in moments))
    assert torch.equal(data.schema.read(text).values, data.train.inputs)


def test_a_column_that_is_nearly_all_dates_is_refused_with_the_first_wrong_cell(tmp_path):
    path = write(tmp_path, "day,y\n" + rows(20, lambda i: f"{'soon' if i == 4 else f'2024-01-{i + 1:02}'},{i}.5"))
    with pytest.raises(InputError, match="column 'day', row 5: 'soon' is not a date"):
        load_table(path, target="y")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (lambda i: f"id{i}", "text that differs in nearly every row, as an id does: 'c'"),
        (lambda i: "same", "the same value in every training row: 'c'"),
        (lambda i: "7", "the same value in every training row: 'c'"),
        (lambda i: "", "no cell has a value: 'c'"),
    ],
)
def test_columns_that_tell_nothing_are_left_out_with_a_note(tmp_path, cells, reason):
    path = write(tmp_path, "x,c,y\n" + rows(40, lambda i: f"{i * 3},{cells(i)},{i}.5"))
    data = load_table(path, target="y")
    assert (data.schema.numeric, data.schema.categorical) == (["x"], {})
    assert note(data, "left out") == f"left out, {reason}"


def test_the_row_numbers_that_a_data_frame_writes_are_left_out(tmp_path):
    path = write(tmp_path, ",x,y\n" + rows(40, lambda i: f"{i},{i * 3},{i}.5"))
    data = load_table(path, target="y")
    assert data.schema.numeric == ["x"]
    assert note(data, "row numbers") == "left out, row numbers: ''"


def test_nested_columns_are_left_out_with_a_note(tmp_path):
    pl.DataFrame(
        {"x": range(20), "pair": [[i, i] for i in range(20)], "y": [i + 0.5 for i in range(20)]}
    ).write_parquet(tmp_path / "t.pq")
    assert note(load_table(tmp_path / "t.pq", target="y"), "nested") == "left out, nested values: 'pair'"


def test_a_table_without_any_usable_column_is_refused(tmp_path):
    path = write(tmp_path, "c,y\n" + rows(40, lambda i: f"same,{i}.5"))
    with pytest.raises(InputError, match=r"no column is left to learn from \(left out, the same value.*'c'\)"):
        load_table(path, target="y")
    with pytest.raises(InputError, match="the target is the only column"):
        load_table(write(tmp_path, "y\n" + rows(40, lambda i: f"{i}.5")), target="y")


def test_many_categories_are_coded_exactly(tmp_path):
    count = 30_000
    path = write(tmp_path, "c,y\n" + rows(2 * count, lambda i: f"v{i % count},{i}.5"))
    data = load_table(path, target="y", valid=path)
    vocabulary = data.schema.categorical["c"]
    assert vocabulary == sorted(f"v{i}" for i in range(count))
    assert [vocabulary[int(code) - 1] for code in data.train.inputs[:, 0]] == [
        f"v{i % count}" for i in range(2 * count)
    ]


def test_more_categories_than_float32_counts_are_refused(monkeypatch):
    monkeypatch.setattr(_table_schema, "LARGEST_CODE", 2)
    with pytest.raises(InputError, match="column 'c' has 2 categories"):
        codes(pl.Series("c", ["a"]), ["a", "b"])
