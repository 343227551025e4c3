"""What the tests of several processes share."""

import contextlib

import numpy as np
import pytest
from runs import MODEL, one_thread

from latih.cli import main


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """A folder with a table, and the run `one` that one process trained on it."""
    folder = tmp_path_factory.mktemp("table")
    chance = np.random.default_rng(0)
    for name, size in (("t", 150), ("valid", 41)):
        x = chance.normal(size=(size, 3))
        lines = [",".join([*map(str, row), "yes" if row[0] > row[1] else "no"]) for row in x]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    with one_thread(), contextlib.chdir(folder):
        assert main(["train", "t.csv", *MODEL, "--epochs", "4", "--out", "one"]) == 0
    return folder
