"""The pages' programs have the fault that the page names; their fixes have none."""

import re
from pathlib import Path

import pytest

from latih.diagnose import judge
from latih.diagnose.rules import RULES

PAGES = sorted((Path(__file__).parents[2] / "docs" / "findings").glob("L4*.md"))


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_program_has_the_fault_and_the_fix_has_none(page, capsys):
    learning = [rule for rule in RULES if rule.code.startswith("L4")]
    faulty, fixed = blocks(page)
    namespace = {}
    exec(compile(faulty, str(page), "exec"), namespace)
    found = judge(namespace["w"].finish(), learning)
    assert next(iter(found)).name == page.stem.split("-", 1)[1]
    assert not found.healthy
    assert page.stem.split("-", 1)[1] in capsys.readouterr().out
    exec(compile(fixed, str(page), "exec"), namespace)
    assert judge(namespace["w"].finish(), learning).healthy


def test_every_learning_rule_has_a_page():
    assert [page.stem for page in PAGES] == [f"{rule.code}-{rule.name}" for rule in RULES if rule.code.startswith("L4")]
