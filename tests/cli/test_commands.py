"""The commands as a user runs them, from data to predictions."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image

from latih import Recipe
from latih.cli import COMMANDS, main


def run(words, expected=0):
    assert main(words.split()) == expected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path, n=300):
    rng = np.random.default_rng(0)
    size, colour = rng.normal(50, 20, n), rng.choice(["red", "green", "blue"], n)
    price = 3000 + 40 * size + np.where(colour == "red", 500.0, 0.0)
    frame = pl.DataFrame({"size": size, "colour": colour, "price": price})
    frame.with_columns(pl.when(pl.arange(n) % 9 == 0).then(None).otherwise(pl.col("size")).alias("size")).write_csv(
        path
    )


def pictures(path, n=30):
    rng = np.random.default_rng(0)
    for kind in ("dark", "bright"):
        (path / kind).mkdir(parents=True)
        for k in range(n):
            pixels = rng.integers(0, 90, (12, 12)) + (150 if kind == "bright" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(path / kind / f"{k}.png")


def test_a_table_is_learnt_and_predicted_in_its_own_units(folder):
    table(folder / "shop.csv")
    run("train shop.csv --target price --epochs 25 --lr 0.01 --out run")
    run("predict run shop.csv --out answers.parquet")
    truth, answers = pl.read_csv("shop.csv"), pl.read_parquet("answers.parquet")
    known = truth["size"].is_not_null()
    off = (answers["prediction"] - truth["price"]).filter(known).abs().median()
    assert off < 0.15 * truth["price"].std()


def test_a_folder_of_images_is_learnt_and_predicted_with_class_names(folder, capfd):
    pictures(folder / "photos")
    run("train photos --model mlp(depth=1,width=8) --epochs 8 --lr 0.01 --out run --augment flip()")
    run("predict run photos --out answers.csv")
    answers = pl.read_csv("answers.csv")
    assert answers.columns == ["id", "prediction", "p(bright)", "p(dark)"]
    right = [row["id"].startswith(row["prediction"]) for row in answers.iter_rows(named=True)]
    assert np.mean(right) > 0.9
    capfd.readouterr()
    run("predict run photos/dark/3.png")
    assert capfd.readouterr().out.splitlines()[1].startswith("3.png,dark,")


def test_a_run_folder_holds_what_it_should(folder):
    table(folder / "shop.csv")
    run("train shop.csv --target colour --epochs 2 --out run")
    names = {path.name for path in (folder / "run").iterdir()}
    assert names >= {
        "recipe.toml",
        "model.safetensors",
        "model.json",
        "history.jsonl",
        "checkpoints",
        "report.html",
        "summary.json",
    }
    rows = [json.loads(line) for line in (folder / "run/history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    page = (folder / "run/report.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_recipe_of_a_run_repeats_it_and_a_flag_beats_it(folder):
    table(folder / "shop.csv")
    run("train shop.csv --target price --epochs 2 --lr 0.003 --seed 5 --out first")
    run("train --recipe first/recipe.toml --out second")
    run("train --recipe first/recipe.toml --epochs 3 --out third")
    assert (folder / "first/model.safetensors").read_bytes() == (folder / "second/model.safetensors").read_bytes()
    assert Recipe.read("third/recipe.toml") == Recipe(epochs=3, lr=0.003, seed=5)


def test_a_clipped_run_says_how_often_how_much_and_where(folder, capfd):
    table(folder / "shop.csv")
    run("train shop.csv --target price --epochs 2 --clip norm(0.01)")
    pattern = r"clipped (\d+)% of the steps, by (\d+)% of their gradient on average; mostly (\S+)"
    said = re.search(pattern, capfd.readouterr().out)
    assert said is not None
    assert int(said[1]) == 100
    assert said[3].startswith("net.")


def test_a_network_of_lazy_layers_takes_its_shape_from_the_data(folder):
    table(folder / "shop.csv")
    (folder / "lazy.py").write_text(
        "from torch import nn\n"
        "def net(outputs): return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(outputs))\n"
    )
    run("train shop.csv --target price --model lazy:net --epochs 1 --out run")
    run("predict run shop.csv --model lazy:net --out answers.csv")
    sys.modules.pop("lazy", None)


def test_predictions_do_not_depend_on_the_batch_they_come_in(folder, capfd):
    table(folder / "shop.csv")
    run("train shop.csv --target colour --epochs 1 --out run")
    frame = pl.read_csv("shop.csv")
    frame.head(1).write_csv("one.csv")
    capfd.readouterr()
    run("predict run one.csv")
    alone = capfd.readouterr().out.splitlines()[1].split(",")
    run("predict run shop.csv")
    together = capfd.readouterr().out.splitlines()[1].split(",")
    assert alone[1] == together[1]
    np.testing.assert_allclose([float(p) for p in alone[2:]], [float(p) for p in together[2:]], rtol=1e-4)


@pytest.mark.parametrize("kind", ["table", "images", "vectors"])
def test_an_exported_model_answers_as_the_run_does(kind, folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    if kind == "table":
        table(folder / "data.csv")
        source = "data.csv --target price"
    elif kind == "images":
        pictures(folder / "data", 8)
        source = "data --model resnet(blocks=1,width=4) --batch-size 8"
    else:
        rng = np.random.default_rng(0)
        np.savez(folder / "data.npz", x=rng.normal(size=(60, 5)).astype(np.float32), y=np.arange(60) % 3)
        source = "data.npz --model mlp(depth=2,width=8)"
    run(f"train {source} --epochs 1 --out run")
    run("export run --onnx model.onnx")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["inputs"]
    if kind != "table":
        assert json.loads(session.get_modelmeta().custom_metadata_map["classes"])


def test_methods_lists_every_family_and_shows_one_page(capfd):
    run("methods")
    everything = capfd.readouterr().out
    for family in ("init", "activations", "norm", "clip", "optim", "schedules", "models", "augment"):
        assert f"{family}: " in everything
    run("methods optim.nag")
    assert "Nesterov" in capfd.readouterr().out


@pytest.mark.parametrize("words", [[], ["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_teaches_in_eighty_columns(words):
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    told = subprocess.run([sys.executable, "-m", "latih", *words], capture_output=True, text=True, env=environment)
    assert told.returncode == 0, told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "\x1b" not in told.stdout


def test_piped_output_is_plain_lines(folder):
    table(folder / "shop.csv")
    words = [sys.executable, "-m", "latih", "train", "shop.csv", "--target", "price", "--epochs", "2"]
    told = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    assert "\x1b" not in told.stdout
    assert "\r" not in told.stdout
    assert told.stdout.splitlines()[0] == "latih  mlp(depth=3, width=100) on shop.csv -> runs/shop-1"
    assert len([line for line in told.stdout.splitlines() if "/2 " in line]) == 2
    assert max(map(len, told.stdout.splitlines())) <= 80


def in_a_terminal(words, folder):
    """Exit code and everything that a person would see, escape sequences included."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "latih", *words.split()]
    process = subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs, cwd=folder, env=environment)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # Linux reports the other end's closing so
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    return process.wait(), seen.decode()


def test_a_terminal_sees_a_bar_and_is_left_clean(folder):
    table(folder / "shop.csv", 3000)
    code, seen = in_a_terminal("train shop.csv --target price --epochs 3 --batch-size 4", folder)
    assert code == 0, seen
    assert "epoch 1/3" in seen
    assert "loss" in seen
    assert seen.rstrip().endswith("DATA")


def test_a_mistake_in_a_terminal_is_one_plain_sentence(folder):
    code, seen = in_a_terminal("train --epoch 3", folder)
    assert code == 2
    assert seen.strip() == "latih: Unrecognized options: --epoch, 3; did you mean --epochs? See latih train --help."


def test_a_flag_of_the_file_can_be_taken_back(folder):
    table(folder / "shop.csv")
    (folder / "mine.toml").write_text("epochs = 1\n[source]\ndata = 'shop.csv'\ntarget = 'price'\nstrict = true\n")
    run("train --recipe mine.toml --strict", expected=2)
    run("train --recipe mine.toml --no-strict")


def test_an_interrupted_command_says_how_to_go_on_and_goes_on(folder):
    table(folder / "shop.csv", 4000)
    words = ["train", "shop.csv", "--target", "price", "--epochs", "3", "--batch-size", "4", "--out"]
    assert main([*words, "whole"]) == 0
    command = [sys.executable, "-u", "-m", "latih", *words, "broken"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        for line in process.stdout:
            if "1/3" in line:
                process.send_signal(signal.SIGINT)
                break
        said = process.stdout.read()
    assert process.returncode == 1
    assert "go on with: latih train --out broken --resume" in said
    run("train --out broken --resume")
    assert (folder / "broken/model.safetensors").read_bytes() == (folder / "whole/model.safetensors").read_bytes()
