"""`latih lr` as a user runs it."""

import json
import re
import shlex
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from latih.cli import COMMANDS, main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    np.savez("classes.npz", x=x, y=(x[:, 0] + x[:, 1] > 0).astype(int))
    np.savez("noise.npz", x=x, y=np.zeros(400, int) + (np.arange(400) % 2))
    rows = [f"{a:.3f},{b:.3f},{3000 + 500 * a - 200 * b:.2f}" for a, b in x[:, :2]]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,price", *rows]) + "\n")
    return tmp_path


def test_the_rate_is_printed_with_its_picture_and_a_line_that_trains(folder, capfd):
    words = "classes.npz --model mlp(depth=1,width=16) --optimizer sgd() --svg c.svg --json c.json"
    assert main(["lr", *words.split()]) == 0
    said = capfd.readouterr().out
    found = json.loads((folder / "c.json").read_text())
    assert f"learning rate {found['lr']:g}: sgd(lr={found['lr']})" in said
    assert "▲" in said
    assert max(map(len, said.splitlines())) <= 100
    ElementTree.parse("c.svg")
    line = shlex.split(said.strip().splitlines()[-1])
    assert line[:3] == ["latih", "train", "classes.npz"]
    assert "--svg" not in line
    assert "c.json" not in line
    assert not (folder / "runs").exists()
    assert main([*line[1:], "--epochs", "4", "--out", "run"]) == 0
    history = [json.loads(row) for row in (folder / "run/history.jsonl").read_text().splitlines()]
    assert history[-1]["valid_accuracy"] > 0.9


def test_a_table_with_a_recipe_gets_a_rate_and_flags_given_before_are_replaced(folder, capfd):
    (folder / "mine.toml").write_text('optimizer = "momentum()"\nlr = 5.0\n[source]\ndata = "table.csv"\n')
    words = "table.csv --target price --model mlp(depth=1,width=8) --lr 9 --recipe mine.toml"
    assert main(["lr", *words.split()]) == 0
    said = capfd.readouterr().out
    rate = re.search(r"learning rate (\S+): momentum", said)[1]
    assert said.strip().splitlines()[-1].strip().endswith(f"--recipe mine.toml --lr {rate}")
    assert "--lr 9" not in said


def test_where_no_rate_helps_it_is_said_and_the_exit_code_is_1(folder, capfd):
    assert main(["lr", "classes.npz", "--model", "mlp(depth=1,width=4)", "--optimizer", "sgd()", "--high", "1e-6"]) == 1
    said = capfd.readouterr().out
    assert "no rate helps" in said
    assert "latih train" not in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nowhere.npz", "nowhere.npz"),
        ("classes.npz --optimizer sdg()", "did you mean 'sgd'"),
        ("classes.npz --low 1 --high 0.1", "low must be below high"),
        ("classes.npz --low -1", "number above 0"),
        ("classes.npz --low much", "low"),
        ("classes.npz --svgg a.svg", "svg"),
        ("classes.npz --batch-size 0", "at least 1"),
        ("classes.npz --model nothing:net", "nothing"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words, sentence, folder, capfd):
    before = sorted(folder.iterdir())
    assert main(["lr", *words.split()]) == 2
    said = capfd.readouterr().err
    assert said.startswith("latih: ")
    assert said.count("\n") == 1
    assert re.search(sentence, said), said
    assert sorted(folder.iterdir()) == before


def test_the_command_is_listed():
    assert COMMANDS["lr"].endswith(".")
