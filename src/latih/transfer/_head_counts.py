"""Where a model has written down how many classes it tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from torch import nn

_NAMES = ("num_classes", "num_labels")
_OF_ONE_OUTPUT_OR_SEVERAL = ("regression", "single_label_classification")


def tell(model: nn.Module, head: str, before: int, classes: int, undo: ExitStack) -> None:
    """Correct the count on the modules that hold `head`, where it was that of the old head; `undo` takes it back.

    Looked at are `num_classes` and `num_labels` on the module, in its `config`, and in a named tuple that it keeps. In
    a config with names of labels, as transformers has, these were of the old classes and become LABEL_0, LABEL_1, ...
    """
    for module in _holders(model, head):
        for name, value in list(vars(module).items()):
            if isinstance(value, tuple) and any(_is(getattr(value, one, None), before) for one in _NAMES):
                changed = {one: classes for one in _NAMES if _is(getattr(value, one, None), before)}
                _set(module, name, value._replace(**changed), undo)  # type: ignore[attr-defined]
        _tell(module, before, classes, undo)
        config = getattr(module, "config", None)
        if config is not None and hasattr(config, "__dict__"):
            _tell(config, before, classes, undo)
            _relabel(config, before, classes, undo)


def _holders(model: nn.Module, head: str) -> Iterator[nn.Module]:
    parts = head.split(".")
    for depth in range(len(parts)):
        yield model.get_submodule(".".join(parts[:depth]))


def _tell(holder: Any, before: int, classes: int, undo: ExitStack) -> None:
    for name in _NAMES:
        if _is(vars(holder).get(name), before):
            _set(holder, name, classes, undo)


def _relabel(config: Any, before: int, classes: int, undo: ExitStack) -> None:
    labels = vars(config).get("id2label")
    if not isinstance(labels, dict) or len(labels) != before:
        return
    _set(config, "id2label", {number: f"LABEL_{number}" for number in range(classes)}, undo)
    _set(config, "label2id", {f"LABEL_{number}": number for number in range(classes)}, undo)
    if (before == 1) != (classes == 1) and vars(config).get("problem_type") in _OF_ONE_OUTPUT_OR_SEVERAL:
        _set(config, "problem_type", None, undo)  # transformers then reads it from the labels


def _is(value: object, count: int) -> bool:
    return type(value) is int and value == count


def _set(holder: Any, name: str, value: Any, undo: ExitStack) -> None:
    undo.callback(setattr, holder, name, getattr(holder, name))
    setattr(holder, name, value)
