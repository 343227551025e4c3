"""Recipe files that are not what they should be."""

import os
import sys

import pytest

TEXTS = {
    "no table but a sentence": ("train it well", "not TOML"),
    "JSON": ('{"epochs": 3}', "not TOML"),
    "a value that is missing": ("epochs =", "not TOML"),
    "a name twice": ("epochs = 1\nepochs = 2", "not TOML"),
    "a text that is not closed": ('optimizer = "adam()', "not TOML"),
    "a table that is not closed": ("[source", "not TOML"),
    "not UTF-8": (b"epochs = 1 # \xff\xfe", "not TOML"),
    "UTF-16": ("epochs = 1".encode("utf-16"), "not TOML"),
    "a NUL": (b"epochs = 1\0", "not TOML"),
    "a pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "not TOML"),
    "lists nested beyond the stack": ("a = " + "[" * 20_000 + "]" * 20_000, "not TOML"),
    "tables nested beyond the stack": ("a = " + "{a = " * 5000 + "1" + "}" * 5000, "not TOML"),
    "names nested deeply": ("[" + ".".join("a" * 2000) + "]\nb = 1", "unknown field 'a'"),
    "a number of 5,000 digits": ("epochs = " + "9" * 5000, "not TOML"),
    "a number beyond 64 bits": ("seed = " + "9" * 40, "seed"),
    "a seed beyond 63 bits": (f"seed = {2**63}", "seed"),
    "a date": ("epochs = 2024-01-01", "epochs"),
    "text for a number": ('epochs = "three"', "epochs"),
    "a fraction for a whole number": ("epochs = 2.5", "epochs"),
    "truth for a number": ("epochs = true", "epochs"),
    "a list for a number": ("epochs = [1, 2]", "epochs"),
    "a number for text": ("optimizer = 3", "optimizer"),
    "a table for text": ("[optimizer]\nlr = 1", "optimizer"),
    "none of the choices": ('precision = "float8"', "precision"),
    "no epochs": ("epochs = 0", "epochs must be a whole number"),
    "negative epochs": ("epochs = -3", "epochs must be a whole number"),
    "a rate of NaN": ("lr = nan", "lr must be a number above 0"),
    "an infinite rate": ("lr = inf", "lr must be a number above 0"),
    "a rate of 0": ("lr = 0.0", "lr must be a number above 0"),
    "a decay of NaN": ("weight_decay = nan", "weight_decay must be"),
    "a batch beyond the data": ("batch_size = 1000000000000", "batch size of at most"),
    "an unknown field": ("epoch = 3", "did you mean 'epochs'"),
    "an unknown table": ("[sources]\ndata = 'x'", "did you mean|unknown field 'sources'"),
    "an unknown field of the source": ("[source]\ndata = 'good.npz'\npath = 'x'", "unknown field 'path'"),
    "no table for the source": ("source = 3", "object"),
    "a list of tables for the source": ("[[source]]\ndata = 'good.npz'", "object"),
    "a fraction of NaN": ("[source]\nvalid_fraction = nan", "valid_fraction must lie"),
    "a size beyond reason": ("[source]\nsize = 1000000000", "size must lie between"),
    "a negative size": ("[source]\nsize = -1", "size must be a whole number"),
    "a path with a NUL": ('[source]\ndata = "a\\u0000.csv"', "no such file"),
    "a path that is too long": (f'[source]\ndata = "{"a" * 5000}.csv"', "File name too long"),
    "an empty path": ('[source]\ndata = ""', "empty name"),
    "a line break in notation": ('optimizer = """\nimport os\nos.mkdir("payload-ran")\n"""', "not notation"),
    "notation that imports": ("optimizer = \"adam(lr=__import__('os').mkdir('payload-ran'))\"", "must be literals"),
    "notation that is a path into Python": ('optimizer = "os.mkdir"', "not notation"),
    "notation of 100,000 characters": (f'schedule = "{"(" * 100_000}"', "not notation"),
    "a reused network": ("[reuse]\nbackbone = 3", "backbone"),
    "a pickle as weights": ("[reuse]\nweights = 'weights.pkl'", "can run code"),
}


def _say(words, content, sentence, place, refused):
    (place / "mine.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(words, names=sentence)
    assert not (place / "payload-ran").exists()


@pytest.mark.parametrize("case", TEXTS)
def test_a_recipe_is_refused(case, place, refused):
    content, sentence = TEXTS[case]
    data = "" if "[source]" in str(content) else "good.npz "
    _say(f"train {data}--recipe mine.toml --model mlp(depth=1,width=4)", content, sentence, place, refused)


@pytest.mark.parametrize("case", ["lists nested beyond the stack", "not UTF-8", "a rate of NaN", "an unknown field"])
@pytest.mark.parametrize("command", ["check", "heal", "lr", "fine-tune"])
def test_other_commands_refuse_it_too(case, command, place, refused):
    _say(f"{command} good.npz --recipe mine.toml", *TEXTS[case], place, refused)


def test_a_recipe_that_cannot_be_read_is_refused(place, refused):
    (place / "folder.toml").mkdir()
    (place / "memory.toml").symlink_to("/proc/self/mem")
    (place / "circle.toml").symlink_to("circle.toml")
    for name in ("folder", "memory", "circle"):
        assert f"{name}.toml" in refused(f"train good.npz --recipe {name}.toml")


CODE = "import os, torch\nos.mkdir('payload-ran')\ndef net(shape, outputs): return torch.nn.Linear(3, outputs)\n"


@pytest.mark.parametrize("words", ["train", "check", "heal", "lr"])
def test_code_that_a_recipe_names_is_not_imported_before_the_user_names_it(words, place, refused):
    (place / "payload.py").write_text(CODE)
    (place / "mine.toml").write_text('[source]\ndata = "good.npz"\nmodel = "payload:net"\n')
    refused(f"{words} --recipe mine.toml", names="pass --model payload:net if you trust it")
    assert not (place / "payload-ran").exists()


def test_code_that_a_recipe_names_runs_once_the_user_names_it_too(place):
    from latih.cli import main

    (place / "payload.py").write_text(CODE.replace("os.mkdir('payload-ran')", ""))
    (place / "mine.toml").write_text('epochs = 1\n[source]\ndata = "good.npz"\nmodel = "payload:net"\n')
    try:
        assert main(["train", "--recipe", "mine.toml", "--model", "payload:net", "--out", "own"]) == 0
    finally:
        sys.modules.pop("payload", None)


def test_code_that_a_recipe_reuses_is_not_imported_before_the_user_names_it(place, refused):
    (place / "payload.py").write_text(CODE)
    (place / "mine.toml").write_text(
        '[source]\ndata = "good.npz"\n[reuse]\nbackbone = "payload:net"\nweights = "run/model.safetensors"\n'
    )
    refused("fine-tune --recipe mine.toml", names="pass --backbone payload:net if you trust it")
    assert not (place / "payload-ran").exists()


def test_a_run_folder_that_is_gone_on_with_imports_no_code(place, refused):
    (place / "run" / "payload.py").write_text(CODE)
    recipe = (place / "run" / "recipe.toml").read_text()
    changed = recipe.replace('model = "mlp(depth=1,width=4)"', 'model = "run.payload:net"')
    assert changed != recipe
    (place / "run" / "recipe.toml").write_text(changed)
    os.chdir(place)
    for words in ("train --out run --resume", "check --run run"):
        refused(words, names="pass --model run.payload:net if you trust it")
    assert not (place / "payload-ran").exists()
