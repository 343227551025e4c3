"""One notation for every method: the text `nag(lr=0.01)` becomes a call into a family.

The same text works in Python, in a recipe file and on the command line. It is read as data: names of the family,
literals, keyword arguments and `>>`; nothing is evaluated.
"""

import ast
import functools
import importlib
import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latih._checks import InputError, did_you_mean

FAMILIES = ("init", "activations", "norm", "clip", "optim", "schedules", "models", "augment", "phases")
_HOMES = {"augment": "latih.data.augment", "phases": "latih.transfer.phases"}
_LONGEST = 2000
"""Characters of a text that may be notation: parsing takes time and stack, and the text may be a stranger's."""
_EXAMPLES = {
    "init": "he()",
    "activations": "leaky_relu(0.2)",
    "norm": "batch()",
    "clip": "norm(1.0)",
    "optim": "nag(lr=0.01)",
    "schedules": "warmup(500) >> power(1000)",
    "models": "mlp(depth=20, width=100)",
    "augment": "flip() >> shift(2)",
    "phases": "head(epochs=5) >> whole()",
}


@dataclass(frozen=True)
class Call:
    """One parsed call: `nag(lr=0.01)` is `Call("nag", (), {"lr": 0.01})`."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def parse(family: str, text: str) -> list[Call]:
    """Read `text` as calls of `family` joined by `>>`, without importing the family.

    Raises `InputError` for anything but names of the family, literals, keyword arguments and `>>`.

    >>> parse("schedules", "warmup(500) >> power(1000, exponent=0.5)")
    [Call(name='warmup', args=(500,), kwargs={}), Call(name='power', args=(1000,), kwargs={'exponent': 0.5})]
    """
    if len(text) > _LONGEST:
        raise _unreadable(family, text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(family, text) from None
    calls: list[Call] = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.RShift):
        calls.append(_call(family, text, tree.right))
        tree = tree.left
    calls.append(_call(family, text, tree))
    return calls[::-1]


def build(family: str, text: str) -> Any:
    """Call the methods that `text` names and join them with `>>`.

    >>> build("schedules", "power(steps=1000)")(1000)
    0.5
    """
    methods = [_invoke(family, text, call) for call in parse(family, text)]
    try:
        return functools.reduce(operator.rshift, methods)
    except TypeError:
        raise InputError(
            f"{_shown(text)}: the methods of {family} cannot be joined by >>; write one call such as "
            f"{_EXAMPLES[family]!r}."
        ) from None


def written(method: Callable[..., Any], **arguments: Any) -> str:
    """The canonical text of a call: arguments by keyword, those at their default left out; `build` reads it back.

    >>> def nag(lr=0.01, momentum=0.9): ...
    >>> written(nag, lr=0.1, momentum=0.9)
    'nag(lr=0.1)'
    """
    parameters = inspect.signature(method).parameters
    changed = {name: value for name, value in arguments.items() if value != parameters[name].default}
    # float(): numpy's floats are floats too, and write themselves as np.float64(0.1)
    texts = [f"{name}={float(value) if isinstance(value, float) else value!r}" for name, value in changed.items()]
    return f"{method.__name__}({', '.join(texts)})"


def names(family: str) -> list[str]:
    """The methods of `family`, read from its `__all__` without importing it (so help and errors need no torch).

    Capitalised names are contracts, not methods.
    """
    # by path: find_spec would import the packages above
    source = Path(__file__).parent.joinpath(*home(family).split(".")[1:], "__init__.py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [name for name in ast.literal_eval(node.value) if name[0].islower()]
    raise AssertionError(f"latih.{family} has no __all__")


def home(family: str) -> str:
    """The package that a family lives in."""
    return _HOMES.get(family, f"latih.{family}")


def _call(family: str, text: str, node: ast.expr) -> Call:
    function, args, keywords = (node.func, node.args, node.keywords) if isinstance(node, ast.Call) else (node, [], [])
    if not isinstance(function, ast.Name):
        raise _unreadable(family, text)
    if function.id not in names(family):
        raise InputError(
            f"{_shown(function.id)} is not a method of {family}{did_you_mean(function.id, names(family), ';')} "
            f"the methods are {', '.join(names(family))}."
        )
    if any(keyword.arg is None for keyword in keywords):
        raise _unreadable(family, text)
    given = [keyword.arg for keyword in keywords]
    if len(set(given)) != len(given):
        raise InputError(f"{_shown(text)}: {function.id} is given an argument twice; leave one of them out.")
    try:
        values = tuple(ast.literal_eval(arg) for arg in args)
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise InputError(
            f"{_shown(text)}: the arguments of {function.id} must be literals such as 0.1, 'selu' or (0.9, 0.99); "
            f"a name needs quotes, as in {_EXAMPLES[family]!r}."
        ) from None
    return Call(function.id, values, named)


def _invoke(family: str, text: str, call: Call) -> Any:
    method = getattr(importlib.import_module(home(family)), call.name)
    signature = inspect.signature(method)
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError as error:
        unknown = [name for name in call.kwargs if name not in signature.parameters]
        hint = did_you_mean(unknown[0], signature.parameters, ";") if unknown else ";"
        raise InputError(
            f"{_shown(text)}: {call.name} {error}{hint} its signature is {call.name}{_readable(signature)}."
        ) from None
    try:
        return method(*call.args, **call.kwargs)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        # literals of any type and size arrive here
        raise InputError(f"{_shown(text)}: {error}; the signature is {call.name}{_readable(signature)}.") from None


def _readable(signature: inspect.Signature) -> str:
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _unreadable(family: str, text: str) -> InputError:
    return InputError(f"{_shown(text)} is not notation for {family}; write a call such as {_EXAMPLES[family]!r}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:100]}...")
