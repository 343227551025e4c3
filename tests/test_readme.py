"""What the README claims about methods is what there is."""

import re
from pathlib import Path

import pytest

from latih._notation import FAMILIES, names, parse

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_of_methods_lists_every_method(family):
    row = re.search(rf"^\| `{family}` \| (.+?) \| `(.+?)` \|$", README, flags=re.MULTILINE)
    assert row is not None
    assert row[1].replace("`", "").split(", ") == names(family)
    assert parse(family, row[2])


def test_the_commands_shown_are_commands_there_are():
    from latih.cli import COMMANDS

    shown = set(re.findall(r"^\$ latih ([\w-]+)", README, flags=re.MULTILINE))
    assert shown
    assert shown <= set(COMMANDS)


def test_the_python_lines_run():
    import torch

    import latih

    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    x, y = torch.randn(64, 4), torch.randint(2, (64,))
    added = [line[1:] for line in README.splitlines() if line.startswith("+")]
    exec("\n".join(added), {"latih": latih, "model": net, "x": x, "y": y, "loss": torch.nn.functional.cross_entropy})
