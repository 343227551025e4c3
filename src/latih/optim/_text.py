"""A spec's own notation, so that a report or a recipe file can name it and read it back."""

import ast
import inspect
from collections.abc import Callable
from typing import Any


def notation(method: Callable[..., Any], **arguments: Any) -> str:
    """The call that makes the same spec: the rate, and what differs from the defaults.

    >>> def nag(lr=0.01, momentum=0.9): ...
    >>> notation(nag, lr=0.1, momentum=0.9)
    'nag(lr=0.1)'
    """
    parameters = inspect.signature(method).parameters
    shown = {n: v for n, v in arguments.items() if n == "lr" or v != parameters[n].default}
    return _call(method.__name__, shown)


def changed(text: str, **arguments: Any) -> str:
    """`text` with other `arguments`.

    >>> changed("nag(lr=0.1)", lr=0.2, weight_decay=0.01)
    'nag(lr=0.2, weight_decay=0.01)'
    """
    keywords: list[ast.keyword] = getattr(ast.parse(text, mode="eval").body, "keywords", [])
    known = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
    return _call(text.split("(")[0], {**known, **arguments})


def _call(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={_plain(value)!r}' for key, value in arguments.items())})"


def _plain(value: Any) -> Any:
    # a number of numpy's would write itself as np.float64(0.1)
    return float(value) if isinstance(value, float) else value
