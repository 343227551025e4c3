"""The user's own network: `package.module:factory`."""

import importlib
import inspect
import sys
from pathlib import Path

from torch import nn

from latih._checks import InputError


def call_factory(name: str, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Import `package.module`, call `factory` and return the network it makes.

    The factory may take `shape` (of one input, without the batch) and `outputs` (classes or target columns) by name,
    or nothing at all. The current folder is searched first. Raises `InputError` when the module or the factory
    cannot be found, when the factory raises, or when what it returns is not an `nn.Module`.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise InputError(f"--model {name!r}: a factory is written package.module:function; name both.")
    factory = _imported(name, module_name, attribute)
    accepted = _accepted(factory, {"shape": shape, "outputs": outputs})
    try:
        model = factory(**accepted)
    except Exception as error:
        raise InputError(
            f"--model {name!r}: the factory raised {type(error).__name__}: {error}; "
            f"it was called with {accepted or 'no arguments'}."
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"--model {name!r}: the factory must return a torch.nn.Module, not {type(model).__name__}.")
    return model


def _imported(name: str, module_name: str, attribute: str):
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"--model {name!r}: importing {module_name} raised {type(error).__name__}: {error}; "
            "mend the module or its name."
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise InputError(f"--model {name!r}: {module_name} has no callable {attribute!r}.")
    return factory


def _accepted(factory: object, offered: dict[str, object]) -> dict[str, object]:
    parameters = inspect.signature(factory).parameters  # pyright: ignore
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    return {key: value for key, value in offered.items() if key in parameters}
