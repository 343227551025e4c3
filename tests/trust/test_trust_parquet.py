"""Parquet files that are not what they should be."""

import datetime
import io

import polars as pl
import pytest


def written(**columns):
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


GOOD = written(age=list(range(40)), price=[k / 3 for k in range(40)])
LONG_AGO = pl.Series([-(2**31) + k for k in range(40)], dtype=pl.Int32).cast(pl.Date)


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def claiming(rows):
    """A file that repeats one value so often that memory would not hold it, in a few kilobytes."""
    buffer = io.BytesIO()
    one = pl.LazyFrame({"age": [1]}).select(pl.repeat(1, rows, dtype=pl.Int8).alias("age"))
    one.with_columns(price=pl.lit(1, dtype=pl.Int8)).sink_parquet(buffer, row_group_size=2**26)
    return buffer.getvalue()


FILES = {
    "no bytes": (b"", "not readable as Parquet"),
    "four bytes": (b"PAR1", "not readable as Parquet"),
    "the magic twice": (b"PAR1PAR1", "not readable as Parquet"),
    "a wrong magic": (b"PAR2" + GOOD[4:-4] + b"PAR2", "not readable as Parquet"),
    "an encrypted footer": (GOOD[:-4] + b"PARE", "not readable as Parquet"),
    "cut in the middle": (GOOD[: len(GOOD) // 2], "not readable as Parquet"),
    "cut by one byte": (GOOD[:-1], "not readable as Parquet"),
    "without its beginning": (GOOD[40:], "not readable as Parquet|damaged"),
    "a footer longer than the file": (GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "not readable as Parquet"),
    "a footer of no length": (GOOD[:-8] + b"\0\0\0\0PAR1", "not readable as Parquet"),
    "a footer of zeros": (GOOD[:-200] + b"\0" * 192 + GOOD[-8:], "not readable as Parquet"),
    "text": (b"age,price\n1,2\n", "not readable as Parquet"),
    "zeros": (b"\0" * 1000, "not readable as Parquet"),
    "no columns": (written(), "no columns|not readable"),
    "no rows": (written(age=pl.Series([], dtype=pl.Int64), price=pl.Series([], dtype=pl.Float64)), "no rows"),
    "rows of nothing": (written(age=[None] * 9, price=[None] * 9), "no rows|no value"),
    "nested inputs alone": (written(age=[[1], [2]] * 20, price=[1.5, 2.5] * 20), "nested values"),
    "records as inputs alone": (written(age=[{"a": 1}, {"a": 2}] * 20, price=[1.5, 2.5] * 20), "nested values"),
    "bytes as inputs alone": (written(age=[b"a", b"b"] * 20, price=[1.5, 2.5] * 20), "nested values"),
    "a nested target": (written(age=[1, 2] * 20, price=[[1], [2]] * 20), "must be a number or a class"),
    "a target of bytes": (written(age=[1, 2] * 20, price=[b"1", b"2"] * 20), "must be a number or a class"),
    "a target of dates": (
        written(age=[1, 2] * 20, price=[datetime.date(2020, 1, 1 + k % 9) for k in range(40)]),
        "must be a number or a class",
    ),
    "years before any calendar": (written(day=LONG_AGO, price=[1.5, 2.5] * 20), "outside the years 1 to 9999"),
    "20,001 columns": (written(**{f"c{k}": [1] for k in range(20_001)}), "20001 columns"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_parquet_file_is_refused(case, place, refused):
    content, sentence = FILES[case]
    (place / "table.parquet").write_bytes(content)
    assert "table.parquet" in refused("train table.parquet --target price", names=sentence)


def test_more_rows_than_memory_holds_are_refused_before_they_are_read(place, refused, monkeypatch):
    import latih.data._table_file as room

    (place / "table.parquet").write_bytes(claiming(2**24))
    assert (place / "table.parquet").stat().st_size < 2**20
    monkeypatch.setattr(room, "MOST_CELLS", 2**20)
    monkeypatch.setattr(room.pl, "read_parquet", None)
    refused("train table.parquet --target price", names="16777216 rows of 2 columns")


@pytest.mark.parametrize("place_of_damage", range(0, len(GOOD), 97))
def test_a_flipped_byte_is_refused_or_harmless(place_of_damage, place, capfd):
    from latih import InputError
    from latih.data import load

    (place / "table.parquet").write_bytes(flipped(GOOD, place_of_damage))
    said = "table.parquet"
    try:
        load(place / "table.parquet", target="price")
    except InputError as error:
        said = str(error)
    assert "table.parquet" in said
