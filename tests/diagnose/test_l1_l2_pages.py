"""The pages' programs have the fault that the page names; their fixes have none."""

import re
from pathlib import Path

import pytest

from latih.diagnose import judge
from latih.diagnose.rules import RULES

MINE = [rule for rule in RULES if rule.code[:2] in ("L1", "L2")]
PAGES = sorted((Path(__file__).parents[2] / "docs" / "findings").glob("L[12]*.md"))
ONLY_WORTH_KNOWING = ("bias-before-norm",)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_program_has_the_fault_and_the_fix_has_none(page, capsys):
    name = page.stem.split("-", 1)[1]
    faulty, fixed = blocks(page)
    namespace = {}
    exec(compile(faulty, str(page), "exec"), namespace)
    found = judge(namespace["w"].finish(), MINE)
    assert next(iter(found)).name == name
    assert found.healthy == (name in ONLY_WORTH_KNOWING)
    assert name in capsys.readouterr().out
    exec(compile(fixed, str(page), "exec"), namespace)
    after = judge(namespace["w"].finish(), MINE)
    assert after.healthy
    assert name not in [finding.name for finding in after if finding.severity != "info"]


def test_every_rule_of_structure_and_data_has_a_page():
    assert [page.stem for page in PAGES] == [f"{rule.code}-{rule.name}" for rule in MINE]
