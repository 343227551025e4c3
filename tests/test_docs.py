"""The pages are complete and equal to what the generator writes from the code now."""

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from latih._notation import FAMILIES, names

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "methods"
ROOMS = ["tape", "data", "train", "transfer", "watch", "diagnose", "heal", "heal.lr"]
PICTURED = ["init", "activations", "norm", "clip", "optim", "schedules"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_docs = script("make_docs")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_committed_page_is_what_the_generator_writes_now(family):
    written = (PAGES / f"{family}.md").read_text(encoding="utf-8")
    assert written == make_docs.page(family), "run `python scripts/make_docs.py`"


@pytest.mark.parametrize("room", ROOMS)
def test_the_committed_reference_is_what_the_generator_writes_now(room):
    written = (ROOT / "docs" / "reference" / f"{room}.md").read_text(encoding="utf-8")
    assert written == make_docs.page(room), "run `python scripts/make_docs.py`"


def test_the_list_of_findings_is_what_the_generator_writes_now():
    written = (ROOT / "docs" / "findings" / "README.md").read_text(encoding="utf-8")
    assert written == make_docs.findings(), "run `python scripts/make_docs.py`"


@pytest.mark.parametrize("room", [*FAMILIES, *ROOMS])
def test_every_public_name_has_its_section(room):
    folder, methods = ("methods", names(room)) if room in FAMILIES else ("reference", [])
    text = (ROOT / "docs" / folder / f"{room}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", text, flags=re.MULTILINE)
    assert sorted(headings) == sorted({*methods, *make_docs.public(make_docs.home(room))})


def test_every_public_name_of_latih_itself_is_documented():
    import latih

    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    for name in latih.__all__:
        assert name.startswith("__") or f"### {name}\n" in pages, name


@pytest.mark.parametrize("family", FAMILIES)
def test_no_page_shows_an_address_of_memory_or_an_unclosed_block(family):
    text = (PAGES / f"{family}.md").read_text(encoding="utf-8")
    assert " at 0x" not in text
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize("name", ["index", *(f"methods/{family}" for family in FAMILIES)])
def test_every_link_leads_somewhere(name):
    page = ROOT / "docs" / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if target.startswith("#"):
            assert f'<a id="{target[1:]}">' in text, target
        elif "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("family", PICTURED)
def test_the_page_shows_a_picture_with_its_axes_named(family):
    assert f"]({family}.svg)" in (PAGES / f"{family}.md").read_text(encoding="utf-8")
    words = [element.text for element in ElementTree.parse(PAGES / f"{family}.svg").iter() if element.text]
    assert any(word in words for word in ("layer", "update"))


def test_the_index_names_every_family():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [family for family in FAMILIES if f"methods/{family}.md" not in index] == []


def test_a_docstring_becomes_markdown():
    parts = ["Cut a * b.", "Args:\n    limit: Largest\n        norm.", ">>> f(1)\n2"]
    wanted = ["Cut a \\* b.", "Args:", "- `limit`: Largest norm.", "```python\n>>> f(1)\n2\n```"]
    assert make_docs.markdown("\n\n".join(parts)) == "\n\n".join(wanted)
