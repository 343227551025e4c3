"""One file a rule; a new file is a new rule."""

import importlib
import pkgutil

from .._base import Rule

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (importlib.import_module(f"{__name__}.{module.name}").RULE for module in pkgutil.iter_modules(__path__)),
        key=lambda rule: rule.code,
    )
)
"""In the order of their codes."""
