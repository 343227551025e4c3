"""Write docs/methods/<family>.md and docs/reference/<room>.md from the code: idea, picture, table, one section a name.

Run it as `python scripts/make_docs.py`; a test compares the pages with what it writes. Signatures are the source's own
text, so that they do not depend on the Python that runs this.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from latih import _notation
from latih._notation import FAMILIES, names
from latih.diagnose import RULES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = DOCS / "methods"
ROOMS = ("tape", "data", "train", "transfer", "watch", "diagnose", "heal", "heal.lr")
"""Rooms that are no families: they have public names, but no methods."""

_FINDINGS = """# Findings: why a network does not learn

`latih.check(model, batch, loss, optimizer=optimizer, train=(x, y))` looks before the first step,
`latih.watch(model, optimizer=optimizer)` while a network trains, `latih train` and `latih check` do both on the command
line. A finding says where, the numbers with the threshold, why, and what to do. `error` and `warning` rest on two
signals that agree: the symptom, and a run or a batch that does not learn; `info` is only worth knowing. How often they
are right is measured: [the clinic](../clinic.md). Each page has a program that triggers the finding, and its fix.
"""


def main() -> None:
    """Write every page."""
    for family in FAMILIES:
        (PAGES / f"{family}.md").write_text(page(family), encoding="utf-8")
    (DOCS / "findings" / "README.md").write_text(findings(), encoding="utf-8")
    for room in ROOMS:
        (DOCS / "reference" / f"{room}.md").write_text(page(room), encoding="utf-8")


def findings() -> str:
    """The list of findings, one line a rule."""
    lines = [f"| [{rule.code} {rule.name}]({rule.code}-{rule.name}.md) | {rule.idea} |" for rule in RULES]
    return f"{_FINDINGS}\n| finding | what it is |\n|---|---|\n" + "\n".join(lines) + "\n"


def page(family: str) -> str:
    """The page of one family."""
    module = home(family)
    opening, *rest = (inspect.getdoc(module) or "").split("\n\n")
    parts = [f"# {family}", _prose(opening)]
    if family in FAMILIES:
        parts.append((PAGES / "_intro" / f"{family}.md").read_text(encoding="utf-8").strip())
    if (PAGES / f"{family}.svg").exists():
        parts.append(f"![{_title(family)}]({family}.svg)")
    parts += [_linked(part, family) if part.startswith("|") else markdown(part) for part in rest]
    for title, found in sections(family).items():
        parts += [f"## {title}", *(_section(family, name) for name in found)] if found else []
    return "\n\n".join(parts) + "\n"


def sections(family: str) -> dict[str, list[str]]:
    """The public names of a family: its methods, its other functions, its classes, types and constants."""
    methods, module = names(family) if family in FAMILIES else [], home(family)
    others = sorted(name for name in public(module) if name not in methods)
    functions = [name for name in others if inspect.isfunction(getattr(module, name))]
    return {
        "Methods": methods,
        "Functions": functions,
        "Classes and constants": [name for name in others if name not in functions],
    }


def public(module: ModuleType) -> set[str]:
    """What the package's own source re-exports or defines, without an underscore."""
    found: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ImportFrom):
            # `from elsewhere import x as x` is how a name is re-exported
            found |= {one.asname or one.name for one in node.names if node.level or one.asname == one.name}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return {name for name in found if not name.startswith("_") and not inspect.ismodule(getattr(module, name))}


def home(family: str) -> ModuleType:
    """The package of a family or room."""
    return importlib.import_module(_notation.home(family))


def _section(family: str, name: str) -> str:
    value = getattr(home(family), name)
    parts = [f'<a id="{name}"></a>\n\n### {name}']
    if inspect.isfunction(value):
        parts += [_code(f"{family}.{_signature(_tree(value))}"), markdown(inspect.getdoc(value) or "")]
    elif inspect.isclass(value):
        parts += [markdown(_own_doc(value)), *_members(value)]
    elif isinstance(value, dict | frozenset | tuple):
        parts += [f"A constant: {', '.join(f'`{one}`' for one in sorted(getattr(one, 'name', one) for one in value))}."]
    else:
        parts += [f"A name for the type `{str(value).replace('typing.', '')}`."]
    return "\n\n".join(part for part in parts if part)


def _tree(value: object) -> ast.FunctionDef | ast.ClassDef:
    source = textwrap.dedent(inspect.getsource(value))  # type: ignore[arg-type]
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.ClassDef)
    return tree


def _signature(tree: ast.AST, owner: str = "") -> str:
    """`name(arguments) -> type`, one argument a line where it would be too long."""
    assert isinstance(tree, ast.FunctionDef)
    returns = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
    arguments = list(_arguments(tree.args, drop_first=bool(owner)))
    line = f"{owner}{tree.name}({', '.join(arguments)}){returns}"
    if len(line) <= 88:
        return line
    return f"{owner}{tree.name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _arguments(given: ast.arguments, *, drop_first: bool) -> Iterator[str]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    for place, (argument, default) in enumerate(zip(plain, defaults, strict=True)):
        if not (drop_first and place == 0 and argument.arg in ("self", "cls")):
            yield _argument(argument, default)
        if given.posonlyargs and place == len(given.posonlyargs) - 1:
            yield "/"
    if given.vararg:
        yield f"*{_argument(given.vararg, None)}"
    elif given.kwonlyargs:
        yield "*"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _argument(argument, default)
    if given.kwarg:
        yield f"**{_argument(given.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    equals = " = " if annotation else "="
    return f"{argument.arg}{annotation}" + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def _own_doc(value: type) -> str:
    # a dataclass without a docstring would show its signature, which depends on the Python
    return inspect.cleandoc(ast.get_docstring(_tree(value)) or "")


def _members(value: type) -> Iterator[str]:
    """Attributes with what is said of them, then public methods."""
    body = _tree(value).body
    said = {
        id(node): after.value.value
        for node, after in itertools.pairwise(body)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }
    lines = []
    for node in body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            text = " ".join(inspect.cleandoc(said.get(id(node), "")).split())
            lines.append(f"- `{ast.unparse(node)}`" + (f": {_prose(text)}" if text else ""))
        elif isinstance(node, ast.FunctionDef) and _is_property(node):
            text = " ".join((ast.get_docstring(node) or "").split())
            returns = f": {ast.unparse(node.returns)}" if node.returns else ""
            lines.append(f"- `{node.name}{returns}`" + (f": {_prose(text)}" if text else ""))
    if lines:
        yield "\n".join(lines)
    for node in body:
        if isinstance(node, ast.FunctionDef) and _is_shown(node):
            owner = "" if node.name == "__init__" else f"{value.__name__}."
            text = _signature(node, owner or value.__name__)
            yield _code(text.replace("__init__", "", 1).replace(" -> None", "") if not owner else text)
            yield markdown(ast.get_docstring(node) or "")


def _is_property(node: ast.FunctionDef) -> bool:
    return node.name[0] != "_" and "property" in map(ast.unparse, node.decorator_list)


def _is_shown(node: ast.FunctionDef) -> bool:
    return (node.name in ("__init__", "__call__") or node.name[0] != "_") and not _is_property(node)


def markdown(docstring: str) -> str:
    """A docstring as markdown: examples become code, `Args:` a list, everything else stays."""
    parts = []
    for block in re.split(r"\n\s*\n", docstring):
        if block.lstrip().startswith(">>>"):
            parts.append(_code(textwrap.dedent(block).replace("<BLANKLINE>", "")))
        elif re.match(r"(Args|Arguments|Attributes|Returns|Raises):\n", block):
            head, _, items = block.partition("\n")
            parts.append(f"{head}\n\n{_items(textwrap.dedent(items))}")
        elif block.startswith(("    ", "|")):
            parts.append(block)
        else:
            parts.append(_prose(block))
    return "\n\n".join(parts)


def _items(text: str) -> str:
    items = re.sub(r"\n\s+", " ", text).split("\n")
    return "\n".join("- " + _prose(re.sub(r"^(\w+):", r"`\1`:", item)) for item in items)


def _prose(text: str) -> str:
    """Text outside of code spans, with what markdown would take for emphasis or a tag escaped."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"(\*|<)", r"\\\1", piece) for piece in pieces)


def _linked(table: str, family: str) -> str:
    """The family's table with the names in its first column linked to their sections."""
    known = {name for found in sections(family).values() for name in found}
    rows = []
    for row in table.split("\n"):
        start, first, rest = row.split("|", 2)
        rows.append("|".join((start, re.sub(r"`(\w+)`", lambda one: _link(one[1], known), first), rest)))
    return "\n".join(rows)


def _link(name: str, known: set[str]) -> str:
    return f"[`{name}`](#{name})" if name in known else f"`{name}`"


def _title(family: str) -> str:
    found = re.search("<title>(.*)</title>", (PAGES / f"{family}.svg").read_text(encoding="utf-8"))
    return found[1] if found else family


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


if __name__ == "__main__":
    main()
