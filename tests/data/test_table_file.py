"""Files as they come: separators, encodings, quotes, and what is wrong with them in one sentence."""

import pytest
import torch

from latih._checks import InputError
from latih.data._table import load_table
from latih.data._table_file import read_table


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_newlines_and_byte_order_marks_are_found(tmp_path, separator, newline, mark):
    lines = [["größe", "名前", "y"], ["1.5", "a", "2"], ["2.5", "", "3"], ["3.5", "b", "4"]]
    text = newline.join(separator.join(line) for line in lines) + newline
    table = read_table(write(tmp_path, mark + text.encode()))
    assert table.cells.columns == lines[0]
    assert table.cells.rows() == [("1.5", "a", "2"), ("2.5", None, "3"), ("3.5", "b", "4")]
    assert table.separator == separator


def test_quoted_cells_keep_separators_quotes_and_newlines(tmp_path):
    path = write(tmp_path, 'a,"b, c"\n"x, y","he said ""hi"""\n"two\nlines",2\n')
    table = read_table(path)
    assert table.cells.columns == ["a", "b, c"]
    assert table.cells.rows() == [("x, y", 'he said "hi"'), ("two\nlines", "2")]


def test_white_space_around_names_and_cells_is_not_part_of_them(tmp_path):
    assert read_table(write(tmp_path, " a , b\n 1 , x\n")).cells.to_dicts() == [{"a": "1", "b": "x"}]


def test_a_european_file_with_decimal_commas_is_read_and_noted(tmp_path):
    path = write(tmp_path, "x;z;y\n" + "".join(f"{i},25;{i};{i},5\n" for i in range(20)))
    data = load_table(path, target="y", valid=path)
    assert data.train.inputs.tolist() == [[i + 0.25, i] for i in range(20)]
    assert data.train.targets.flatten().tolist() == [i + 0.5 for i in range(20)]
    assert "fractions are written with a comma: 'x'" in data.notes
    assert torch.equal(data.schema.read(path).values, data.train.inputs)


def test_comma_and_point_in_one_file_are_refused(tmp_path):
    path = write(tmp_path, "x;z;y\n" + "".join(f"{i},25;{i}.5;{i}\n" for i in range(30)))
    with pytest.raises(InputError, match="column 'x' writes fractions with a comma and column 'z' with a point"):
        load_table(path, target="y")


@pytest.mark.parametrize("cell", ['"1,{:03}"', "1 {:03}", '"{},5"'])
def test_numbers_with_thousands_separators_are_refused_not_taken_for_text(tmp_path, cell):
    path = write(tmp_path, "x,y\n" + "".join(f"{cell.format(i)},{i}.5\n" for i in range(30)))
    with pytest.raises(InputError, match=r"column 'x', row 1: .* is not a number .*thousands separator"):
        load_table(path, target="y")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"a,b\n", "column names but no rows"),
        (b"a,b", "column names but no rows"),
        (b"a,b\n,\n\n", "column names but no rows"),
        (b"a,b,a\n1,2,3\n", "2 columns are named 'a'"),
        (b"a,b, a\n1,2,3\n", "2 columns are named 'a'"),
        (b"a,b\n1,2\n1,2,3\n", "row 2 has 3 fields where the header has 2"),
        (b"a,b,c\n1,2,3\n\n1,2\n", "row 3 has 2 fields where the header has 3"),
        (b"a,b\n1,2\n1,\xff\n", "line 3 is not UTF-8"),
        ("a,é\n1,ü\n".encode("latin-1"), "line 1 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,b\n\x00\x01\x02", "binary"),
        (b"PAR1abc", "Parquet file; name it .parquet"),
        (b"\x1f\x8b\x08abc", "compressed"),
        (b"PK\x03\x04abc", "Excel"),
        (b"a,b\r1,2\r", "bare carriage return"),
        (b'a,b\n"never closed,2\n3,4\n', "quote that is never closed|quote a cell"),
    ],
)
def test_a_broken_text_table_gets_one_sentence(tmp_path, content, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        read_table(write(tmp_path, content))
    assert "\n" not in str(refusal.value)


def test_a_ragged_row_far_down_is_named(tmp_path):
    path = write(tmp_path, "a,b\n" + "1,2\n" * 50_000 + "1\n" + "1,2\n" * 10)
    with pytest.raises(InputError, match="row 50001 has 1 fields"):
        read_table(path)


def test_empty_last_cells_are_not_ragged(tmp_path):
    assert read_table(write(tmp_path, 'a,b\n1,\n2,""\n')).cells.rows() == [("1", None), ("2", None)]


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_a_broken_parquet_file_gets_one_sentence(tmp_path, content):
    with pytest.raises(InputError, match="not readable as Parquet"):
        read_table(write(tmp_path, content, "t.parquet"))


def test_a_missing_file_a_folder_and_an_unknown_ending_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="a folder, not a table"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="must end in one of"):
        read_table(write(tmp_path, "a,b\n1,2\n", "t.xlsx"))


def test_a_name_with_wildcards_is_only_a_name(tmp_path):
    write(tmp_path, "a,b\n9,9\n", "t1.csv")
    assert read_table(write(tmp_path, "a,b\n1,2\n", "t[1].csv")).cells.rows() == [("1", "2")]


def test_a_header_longer_than_the_first_look_is_read_whole(tmp_path):
    names = [f"a column with a long name {i}" for i in range(6000)]
    table = read_table(write(tmp_path, ",".join(names) + "\n" + ",".join("1" * 6000) + "\n"))
    assert table.cells.columns == names


def test_blank_lines_before_the_header_are_passed_over(tmp_path):
    table = read_table(write(tmp_path, "\n\na,b\n1,2\n"))
    assert (table.cells.columns, table.cells.rows()) == (["a", "b"], [("1", "2")])


def test_a_unicode_line_separator_does_not_end_a_row(tmp_path):
    assert read_table(write(tmp_path, "a,b\nx\u2028y,2\n")).cells.rows() == [("x\u2028y", "2")]
