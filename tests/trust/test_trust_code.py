"""No line of latih unpickles, evaluates or unpacks what a file holds."""

import ast
from pathlib import Path

import pytest

import latih

SOURCE = Path(latih.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "tarfile"}
FORBIDDEN_METHODS = {"extractall", "extract", "unpack_archive"}
IMPORTERS = {  # whose argument is a literal of latih's own, or a factory that the user named
    "_notation.py", "models/_factory.py", "report/_methods.py", "cli/__init__.py", "__init__.py", "train/_log.py",
    "train/_verb.py", "watch/__init__.py", "watch/_watching.py", "diagnose/rules/__init__.py",
}  # fmt: skip


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


def place(path):
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_file_of_latih_runs_nothing_that_it_reads(path):
    for name, words in calls(path):
        last = name.rsplit(".", 1)[-1]
        assert name not in FORBIDDEN_CALLS, name
        assert last not in FORBIDDEN_METHODS, name
        assert name != "torch.load" or words.get("weights_only") == "True", name
        assert words.get("allow_pickle", "False") == "False", name
        assert words.get("trust_remote_code", "False") == "False", name
        assert not name.endswith("Image.open") or "formats" in words, name
        assert last != "import_module" or place(path) in IMPORTERS, name
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.split(".")[0] for module in modules} & FORBIDDEN_MODULES
