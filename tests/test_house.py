"""The house's own rules: imports point one way, families look alike, verbs can be called."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import latih
from latih._notation import FAMILIES, home, names

SOURCE = Path(latih.__file__).parent
FLOORS = [
    {"_checks", "_gaussian", "_plot", "_rebound", "_shards", "_verbs", "_version"},
    {"_every", "_extended", "_held", "_notation", "tape"},
    {"_reuse"},
    {"_recipe"},
    {"init", "activations", "norm", "clip", "optim", "schedules"},
    {"watch"},
    {"diagnose"},
    {"data", "models"},
    {"train"},
    {"heal", "transfer"},
    {"report"},
    {"lab"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = [
    path
    for path in SOURCE.rglob("*.py")
    if path.parent != SOURCE or (path.stem.startswith("_") and "__" not in path.stem)
]


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules = [f"latih.{alias.name}" for alias in node.names] if node.module == "latih" else [node.module]
        found |= {module.split(".")[1] for module in modules if module.startswith("latih.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_an_import_points_down_the_house(path):
    here = room(path)
    for other in imported_rooms(path) - {here}:
        assert FLOOR[other] < FLOOR[here], f"{path.relative_to(SOURCE)} ({here}) imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_another_room_is_entered_by_its_front_door(path):
    modules = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    private = [
        module for module in modules if module and module.startswith("latih.") and "._" in module[len("latih._") :]
    ]
    assert private == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_imports_its_own_package_by_name(path):
    assert room(path) not in imported_rooms(path) or path.parent == SOURCE


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_works_with_its_defaults_and_has_a_sentence(family):
    from latih._notation import build
    from latih.report._methods import _method, first_line

    for name in names(family):
        build(family, name)
        sentence = first_line(_method(family, name))
        assert sentence.endswith("."), (family, name, sentence)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_stands_in_its_family_s_table(family):
    import importlib

    documented = importlib.import_module(home(family)).__doc__
    assert [name for name in names(family) if f"`{name}" not in documented] == []


def test_importing_latih_does_not_load_torch():
    loaded = subprocess.run(
        [sys.executable, "-c", "import latih, latih.cli._train, sys; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "False"


def test_a_verb_stays_callable_however_its_room_was_imported_first():
    code = (
        "from latih.train import Recipe; import latih, latih.train as t; assert callable(latih.train) and callable(t)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
