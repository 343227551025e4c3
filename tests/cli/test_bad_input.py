"""Every mistake gets one sentence and exit code 2, and nothing is written."""

import io
import os
import re
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from latih.cli import main

ROWS = [f"{k},{'abc'[k % 3]},{k % 7}.5" for k in range(40)]
TABLE = "\n".join(["age,city,price", *ROWS]) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with small data of every kind, right and wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "one_class.csv").write_text("x,y\n1,a\n2,a\n3,a\n")
    (tmp_path / "words.csv").write_text("\n".join(["x,y", *(f"{k},{k % 2}" for k in range(30)), "abc,1"]))
    cells = ["inf" if k == 4 else "" if k == 3 else str(k) for k in range(40)]
    (tmp_path / "holes.csv").write_text("\n".join(["x,y", *(f"{cell},{k / 3}" for k, cell in enumerate(cells))]))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    np.savez(tmp_path / "good.npz", x=x, y=y)
    np.savez(tmp_path / "short.npz", x=x, y=y[:-1])
    np.savez(tmp_path / "range.npz", x=x, y=y * 7)
    np.savez(tmp_path / "objects.npz", x=np.array([{}] * 40, dtype=object), y=y)
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "broken" / name).mkdir(parents=True)
        for k in range(6):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(picture, "png")
            (tmp_path / "photos" / name / f"{k}.png").write_bytes(picture.getvalue())
            cut = len(picture.getvalue()) // 2 if (name, k) == ("b", 3) else None
            (tmp_path / "broken" / name / f"{k}.png").write_bytes(picture.getvalue()[:cut])
    (tmp_path / "bare" / "a").mkdir(parents=True)
    (tmp_path / "mine.py").write_text(
        "import torch\ndef net(shape, outputs): raise RuntimeError('no such layer')\ndef seven(): return 7\n"
        "def wide(shape, outputs): return torch.nn.Linear(99, outputs)\n"
    )
    (tmp_path / "a_file").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


CASES = {
    "a missing file": ("nowhere.csv --target y", "nowhere.csv.*no such file"),
    "a file that is nearly there": ("tabel.csv --target y", "did you mean 'table.csv'"),
    "a named set misspelt": ("fashion-mimi", "did you mean 'fashion-mini'"),
    "an empty table": ("empty.csv --target y", "empty"),
    "a table without a target": ("table.csv", "--target"),
    "no such column": ("table.csv --target prise", "did you mean 'price'"),
    "one class": ("one_class.csv --target y", "has one value only"),
    "words among numbers": ("words.csv --target y", "'abc' is not a number"),
    "missing cells when strict": ("holes.csv --target y --strict", "'x'"),
    "a truncated image": ("broken", "broken.b.3.png|3.png"),
    "a folder without images": ("bare", "images are nowhere"),
    "an archive of objects": ("objects.npz", "object"),
    "lengths that differ": ("short.npz", "40.*39|39.*40"),
    "labels out of range": ("range.npz", "labels"),
    "an unknown optimizer": ("--optimizer adamm()", "did you mean 'adam'"),
    "an unknown argument": ("good.npz --optimizer adam(rate=1)", "its signature is adam"),
    "an unknown schedule": ("--schedule cosin()", "did you mean 'cosine'"),
    "a wrong chain": ("good.npz --schedule power()>>cosine()", "a piece without an end"),
    "an unknown model": ("--model mpl()", "did you mean 'mlp'"),
    "a convolution for vectors": ("good.npz --model cnn()", "cnn needs images"),
    "a negative rate": ("--lr -1", "lr must be a number above 0"),
    "no epochs": ("--epochs 0", "epochs must be a whole number, at least 1"),
    "words for a number": ("--epochs many", "--epochs"),
    "an unknown flag": ("--epoch 3", "did you mean --epochs"),
    "two sources": ("good.npz good.npz", "good.npz"),
    "a batch larger than the set": ("good.npz --batch-size 1000", "take a batch size of at most"),
    "an unknown device": ("good.npz --device gpu", "choose cpu, cuda"),
    "augmentation of vectors": ("good.npz --augment flip()", "augmentation is for images"),
    "a folder that is a file": ("good.npz --out a_file", "this is a file"),
    "a folder below a file": ("good.npz --out a_file/run", "cannot write"),
    "a folder that is in use": ("good.npz --out photos", "not empty"),
    "nothing to resume": ("good.npz --out fresh --resume", "--recipe fresh/recipe.toml"),
    "resume without a folder": ("good.npz --resume", "--resume needs --out"),
    "a rhythm of saving": ("good.npz --save-every hourly", "write '50 steps' or '10 minutes'"),
    "a policy without a run": ("good.npz --extend hold", "only a run that is resumed can be extended"),
    "an unknown policy": ("good.npz --extend longer", "extend"),
    "a factory that raises": ("good.npz --model mine:net", "the factory raised RuntimeError: no such layer"),
    "a factory that makes no model": ("good.npz --model mine:seven", "must return a torch.nn.Module, not int"),
    "a factory that does not fit": ("good.npz --model mine:wide", "fails on (a|the) batch"),
    "a factory that is not there": ("good.npz --model mine:none", "has no callable 'none'"),
    "a module that is not there": ("good.npz --model yours:net", "importing yours raised ModuleNotFoundError"),
    "a recipe that is not there": ("--recipe none.toml", "none.toml"),
}


@pytest.mark.parametrize("case", CASES)
def test_training_refuses(case, folder, capfd):
    words, sentence = CASES[case]
    before = sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in str(path))
    assert main(["train", *words.split()]) == 2
    said = capfd.readouterr().err
    assert said.startswith("latih: ")
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    assert not re.search(r"\?[.;]|\.\.$|;\.", said.strip()), said
    assert re.search(sentence, said), said
    assert sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in str(path)) == before


def test_holes_are_counted_and_imputed_unless_strict(folder, capfd):
    assert main(["train", "holes.csv", "--target", "y", "--epochs", "1", "--batch-size", "8"]) == 0
    said = capfd.readouterr().out
    assert "'x' 1" in said
    assert "missing" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("predict none good.npz", "no finished run here"),
        ("predict run", "latih predict needs DATA"),
        ("predict run nothing.npz", "nothing.npz"),
        ("predict run photos/a/0.png", "shape|npz"),
        ("predict run wide.npz", r"\(3,\)"),
        ("predict run good.npz --out answers.txt", ".csv or .parquet"),
        ("export none", "no finished run here"),
        ("methods optin", "did you mean 'optim'"),
        ("methods optim.nagg", "did you mean 'nag'"),
        ("tran", "did you mean 'train'"),
    ],
)
def test_other_commands_refuse(words, sentence, folder, capfd):
    np.savez(folder / "wide.npz", x=np.zeros((4, 9), np.float32))
    if " run" in words:
        assert main(["train", "good.npz", "--epochs", "1", "--out", "run"]) == 0
    assert main(words.split()) == 2
    said = capfd.readouterr().err
    assert re.search(sentence, said), said
    assert said.count("\n") == 1


def test_a_run_with_own_code_is_not_imported_before_it_is_named(folder, capfd):
    (folder / "own.py").write_text(
        "import torch\nprint('imported')\ndef net(shape, outputs): return torch.nn.Linear(3, 2)\n"
    )
    assert main(["train", "good.npz", "--model", "own:net", "--epochs", "1", "--out", "run"]) == 0
    assert "imported" in capfd.readouterr().out
    sys.modules.pop("own", None)
    assert main(["predict", "run", "good.npz"]) == 2
    said = capfd.readouterr()
    assert "imported" not in said.out
    assert "pass --model own:net" in said.err
    assert main(["predict", "run", "good.npz", "--model", "own:net"]) == 0
    sys.modules.pop("own", None)


def test_a_damaged_model_is_one_sentence(folder, capfd):
    assert main(["train", "good.npz", "--epochs", "1", "--out", "run"]) == 0
    (folder / "run/model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!")
    assert main(["predict", "run", "good.npz"]) == 2
    assert "damaged" in capfd.readouterr().err


def test_a_full_disk_is_one_sentence_and_earlier_checkpoints_stay(folder):
    """A real limit on the size of files, as a full disk would be met: some files fit, the weights do not."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = [sys.executable, "-B", "-m", "latih", "train", "good.npz", "--epochs", "2", "--out", "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, preexec_fn=limit, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((folder / "run").rglob("*tmp*")) == []


def test_a_finished_run_is_made_longer_only_by_a_declared_policy(folder, capfd):
    assert main(["train", "good.npz", "--epochs", "1", "--out", "run"]) == 0
    longer = ["train", "--out", "run", "--resume", "--epochs", "2"]
    capfd.readouterr()
    assert main(longer) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert re.search("--extend .*'stretch'.*'hold'.*'restart'", said), said
    assert main([*longer, "--extend", "restart"]) == 0
    assert 'extended = "restart after 1"' in (folder / "run/recipe.toml").read_text()
    assert main(["train", "--out", "run", "--resume"]) == 0
    assert '"extended": "restart after 1"' in (folder / "run/summary.json").read_text()


def test_an_archive_with_a_bomb_inside_is_refused(folder, capfd):
    header = np.lib.format.magic(1, 0)
    described = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000), }"
    described += b" " * (118 - len(described)) + b"\n"
    with zipfile.ZipFile(folder / "bomb.npz", "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, header + len(described).to_bytes(2, "little") + described)
    assert main(["train", "bomb.npz"]) == 2
    assert capfd.readouterr().err.count("\n") == 1
