"""What every malformed input has to meet: one sentence, exit code 2, and nothing touched."""

import hashlib
import os
import re
import shutil
import sys

import numpy as np
import pytest

from latih.cli import main

WAY_OUT = re.compile(r"; |must be |did you mean|Pass --|See latih .* --help")


def state_of(folder):
    """Every file below `folder` with what it holds, and every link with where it leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        if path.is_symlink():
            found[path] = os.readlink(path)
        elif path.is_file():
            found[path] = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        else:
            found[path] = "a folder, or a pipe"
    return found


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a small finished run, and the data that it was trained on."""
    folder = tmp_path_factory.mktemp("finished")
    rng = np.random.default_rng(0)
    np.savez(folder / "good.npz", x=rng.normal(size=(40, 3)).astype(np.float32), y=np.arange(40) % 2)
    words = ["train", str(folder / "good.npz"), "--epochs", "1", "--no-check", "--out", str(folder / "run")]
    assert main([*words, "--model", "mlp(depth=1,width=4)"]) == 0
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch, finished_run):
    """The current folder, with an earlier run in `run` and its data in `good.npz`."""
    shutil.copytree(finished_run, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(place, capfd):
    """Runs a command that has to refuse; returns what it said."""

    def check(words, *, names=None):
        words = words.split() if isinstance(words, str) else words
        before, modules = state_of(place), set(sys.modules)
        capfd.readouterr()
        assert main(words) == 2
        said = capfd.readouterr().err
        assert said.startswith("latih: "), said
        assert said.count("\n") == 1, said
        assert said.isprintable() or said[:-1].isprintable(), said
        assert "Traceback" not in said
        assert WAY_OUT.search(said), said
        assert re.search(names, said) if names else True, said
        assert not re.search(r"\?[.;]|\.\.$|;\.", said.strip()), said
        assert state_of(place) == before
        assert not [name for name in set(sys.modules) - modules if "payload" in name]
        return said

    return check
