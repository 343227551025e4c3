"""`latih heal` and `latih train --heal`."""

import json

import numpy as np
import pytest

from latih.cli import main


@pytest.fixture
def table(tmp_path):
    """Three classes in eight columns, as an archive."""
    rng = np.random.default_rng(0)
    y = np.arange(900) % 3
    x = rng.standard_normal((900, 8)).astype("float32") + 2 * rng.standard_normal((3, 8))[y].astype("float32")
    path = tmp_path / "blobs.npz"
    np.savez(path, x=x, y=y)
    return str(path)


SICK = ["--model", "mlp(depth=10, width=24)", "--activation", "sigmoid()", "--init", "glorot()"]
LOOP = ["--optimizer", "sgd(lr=0.05)", "--epochs", "12", "--schedule", "constant()", "--device", "cpu"]


def test_a_sick_training_is_healed_and_told(table, tmp_path, capsys):
    assert main(["heal", table, *SICK, *LOOP, "--json", str(tmp_path / "healing.json")]) == 0
    said = capsys.readouterr()
    assert "vanishing-gradient" in said.out
    assert "healed" in said.out
    assert "racing" in said.err
    kept = json.loads((tmp_path / "healing.json").read_text())
    assert kept["verdict"] == "healed"
    assert kept["edits"]


def test_a_healthy_one_is_left_alone(table, capsys):
    assert main(["heal", table, "--model", "mlp(depth=2, width=32)", *LOOP]) == 0
    assert "healthy: nothing was found" in capsys.readouterr().out


def test_training_with_heal_trains_what_was_proven(table, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["train", table, *SICK, *LOOP, "--heal", "--out", str(folder)]) == 0
    assert "healed" in capsys.readouterr().out
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["kept"]["valid_accuracy"] > 0.9
    assert (folder / "model.safetensors").exists()
    assert json.loads((folder / "healing.json").read_text())["verdict"] == "healed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["heal", "{table}", "--epochs", "1", "--batch-size", "400"], "budget"),
        (["heal", "{table}", "--budget", "0"], "between"),
        (["heal", "nowhere.csv"], "nowhere.csv"),
        (["train", "{table}", "--heal", "--resume", "--out", "{folder}"], "recipe"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(words, said, table, tmp_path, capsys):
    asked = [word.format(table=table, folder=tmp_path / "none") for word in words]
    assert main(asked) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in error
    assert error.startswith("latih: ")
