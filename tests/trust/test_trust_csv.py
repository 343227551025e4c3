"""Tables of text that are not what they should be."""

import os

import pytest

ROWS = "".join(f"{k},{'abc'[k % 3]},{k % 7}.5\n" for k in range(40))
GOOD = "age,city,price\n" + ROWS
WIDE = ",".join(f"c{k}" for k in range(20_001))

TEXTS = {
    "no bytes": (b"", "empty"),
    "one line break": (b"\n", "empty"),
    "white space": (b"  \n\t\n", "empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "empty"),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbf\n", "no rows|empty|no column"),
    "only a header": (b"age,city,price\n", "no rows"),
    "a header without a line break": (b"age,city,price", "no rows"),
    "only blank rows": (b"age,city,price\n,,\n,,\n", "no rows"),
    "UTF-16 with a mark": (GOOD.encode("utf-16"), "UTF-16"),
    "UTF-16 big-endian with a mark": (b"\xfe\xff" + GOOD.encode("utf-16-be"), "UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "binary"),
    "UTF-32": (GOOD.encode("utf-32"), "UTF-16|binary"),
    "Latin-1": (GOOD.replace("a,0.5", "é,0.5").encode("latin-1"), "line .* is not UTF-8"),
    "Latin-1 in a header": (GOOD.replace("city", "cité").encode("latin-1"), "line 1 is not UTF-8"),
    "a surrogate in UTF-8": (GOOD.encode().replace(b"a,0.5", b"\xed\xa0\x80,0.5"), "not UTF-8"),
    "an overlong UTF-8 slash": (GOOD.encode().replace(b"a,0.5", b"\xc0\xaf,0.5"), "not UTF-8"),
    "a NUL in a header": (b"age,ci\0ty,price\n" + ROWS.encode(), "binary"),
    "a NUL in a cell": (GOOD.encode().replace(b"a,0.5", b"a\0,0.5"), "binary"),
    "bare carriage returns": (GOOD.replace("\n", "\r").encode(), "carriage return"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0", "compressed"),
    "a zip archive": (b"PK\x03\x04" + b"\0" * 60, "zip archive"),
    "Parquet by content": (b"PAR1" + b"\0" * 60 + b"PAR1", "Parquet"),
    "an image": (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "binary"),
    "an ELF binary": (b"\x7fELF" + b"\0" * 200, "binary"),
    "a row with one field too many": (GOOD.encode() + b"1,a,2.5,9\n", "row 41 has 4 fields"),
    "a row with one field too few": (GOOD.encode() + b"1,a\n", "row 41 has 2 fields"),
    "a header shorter than the rows": (b"age,price\n" + ROWS.encode(), "fields where the header has"),
    "a header longer than the rows": (b"age,city,price,more\n" + ROWS.encode(), "fields where the header has"),
    "a quote that is never closed": (GOOD.encode() + b'1,"a,2.5\n' + ROWS.encode(), "quote|fields"),
    "a quote opened in the header": (b'age,"city,price\n' + ROWS.encode(), "quote|fields|no column|no rows"),
    "two columns of one name": (b"price,price\n1,2\n3,4\n", "2 columns are named 'price'"),
    "names that differ by white space": (b"price, price\n1,2\n3,4\n", "2 columns are named 'price'"),
    "a name that steers the terminal": (b"\x1b[2J,\x1b[2J,price\n1,2,3\n", "columns are named"),
    "20,001 columns": ((WIDE + "\n" + WIDE + "\n").encode(), "20001 columns"),
    "no column but the target": (b"price\n" + b"1\n2\n3\n4\n" * 10, "only column"),
    "columns that are all constant": (b"a,price\n" + b"1,2\n1,3\n" * 20, "no column is left"),
    "columns that are all empty": (b"a,price\n" + b",2\n,3\n" * 20, "no column is left"),
    "a target with one value": (b"a,price\n" + b"1,2\n3,2\n" * 20, "one value only"),
    "an empty target": (b"a,price\n" + b"1,\n3,\n" * 20, "no value"),
    "a target of infinities": (b"a,price\n" + b"1,inf\n3,-inf\n" * 20, "no value|one value"),
    "a target of NaN": (b"a,price\n" + b"1,NaN\n3,nan\n" * 20, "no value"),
    "a target beyond float32": (b"a,price\n" + b"1,1e300\n3,-1e300\n" * 20, "no value"),
    "a target of dates": (b"a,price\n" + b"1,2020-01-01\n3,2021-01-01\n" * 20, "must be a number or a class"),
    "a target that is different text in each row": (
        b"a,price\n" + b"".join(b"%d,word%d\n" % (k, k) for k in range(40)),
        "differs in each",
    ),
    "words among numbers": (GOOD.encode() + b"old,a,2.5\n", "'old' is not a number"),
    "a huge cell among numbers": (GOOD.encode() + b"x" * 100_000 + b",a,2.5\n", "is not a number"),
    "a unit on a number": (GOOD.encode() + b"7 years,a,2.5\n", "'7 years' is not a number"),
    "thousands separators": (b"a;price\n" + b"1.234.567;2\n2.345.678;3\n" * 20, "not a number"),
    "a comma and a point in fractions": (b"a;b;price\n" + b"1,5;2.5;1\n2,5;3.5;2\n" * 20, "fractions"),
    "a date among dates that is none": (
        b"day,price\n" + b"2020-01-01,1\n2020-01-02,2\n" * 20 + b"2020-13-01,1\n",
        "is not a date",
    ),
    "one row": (b"a,price\n1,2\n", "one value only"),
    "JSON": (b'{"age": [1, 2, 3], "price": [1, 2, 3]}\n', "there is no target column|no rows|columns"),
    "HTML": (b"<!doctype html>\n<html><body>Not found</body></html>\n", "no target column|rows|fields"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_table_is_refused(case, place, refused):
    content, sentence = TEXTS[case]
    (place / "table.csv").write_bytes(content)
    assert "table.csv" in refused("train table.csv --target price", names=sentence)


@pytest.mark.parametrize("case", ["no bytes", "Latin-1", "a row with one field too many", "only a header", "gzip"])
def test_a_table_to_predict_is_refused(case, place, refused):
    (place / "train.csv").write_text(GOOD)
    words = "train train.csv --target price --epochs 1 --out tables --model mlp(depth=1,width=4)"
    from latih.cli import main

    assert main(words.split()) == 0
    content, sentence = TEXTS[case]
    (place / "table.csv").write_bytes(content)
    assert "table.csv" in refused("predict tables table.csv", names=sentence)


STRICT = {
    "a missing cell": (GOOD + ",a,2.5\n", "missing: 'age' 1"),
    "an infinite cell": (GOOD + "inf,a,2.5\n", "infinite .*'age' 1"),
    "a missing target": (GOOD + "3,a,\n", "1 of 41 rows"),
}


@pytest.mark.parametrize("case", STRICT)
def test_holes_are_refused_when_asked_to(case, place, refused):
    content, sentence = STRICT[case]
    (place / "table.csv").write_text(content)
    refused("train table.csv --target price --strict", names=sentence)


def _loop(place):
    (place / "table.csv").symlink_to("other.csv")
    (place / "other.csv").symlink_to("table.csv")


def _pipe(place):
    os.mkfifo(place / "table.csv")


def _unreadable(place):
    # reading it is an error of the system even for root, whom permissions do not stop
    (place / "table.csv").symlink_to("/proc/self/mem")


PLACES = {
    "a link that leads in a circle": (_loop, "no such file"),
    "a link that leads nowhere": (lambda place: (place / "table.csv").symlink_to("nowhere"), "no such file"),
    "a link to a device": (lambda place: (place / "table.csv").symlink_to("/dev/zero"), "no file"),
    "a pipe": (_pipe, "no file"),
    "a file that the system cannot read": (_unreadable, "cannot be read"),
    "a folder of that name": (lambda place: (place / "table.csv").mkdir(), "--target|target"),
}


@pytest.mark.parametrize("case", PLACES)
def test_what_is_no_file_is_refused(case, place, refused):
    make, sentence = PLACES[case]
    make(place)
    assert "table.csv" in refused("train table.csv --target price", names=sentence)


NAMES = {
    "a name that is too long": ("a" * 5000 + ".csv", "File name too long"),
    "a NUL in a name": ("a\0b.csv", "no such file"),
    "a name that is not UTF-8": ("a\udcff.csv", "not UTF-8"),
    "a line break in a name": ("a\nb.csv", "no such file"),
    "a name that steers the terminal": ("\x1b[2Ja.csv", "no such file"),
    "no name": ("", "empty name"),
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("command", ["train", "check", "heal"])
def test_a_name_that_is_no_path_is_refused(case, command, refused):
    name, sentence = NAMES[case]
    refused([command, name, "--target", "price"], names=sentence)
