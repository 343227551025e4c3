"""transformers, imported when it is needed, with or without a torchvision that loads."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from latih._checks import InputError

from ._limits import brief
from ._quiet import quiet


def transformers_library() -> ModuleType:
    """The module; raises `InputError` where it is not installed or does not load."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError("backbone 'hf:...' needs transformers; install it with: pip install 'latih[hf]'.")
    try:
        with quiet(), _without_broken_torchvision():
            import transformers
            import transformers.modeling_utils
            import transformers.utils
    except Exception as error:
        raise InputError(f"backbone 'hf:...': transformers does not load ({brief(error)}); reinstall it.") from None
    return transformers


@contextmanager
def _without_broken_torchvision() -> Iterator[None]:
    """Let transformers find no torchvision where the one that is installed was compiled for another torch.

    transformers imports torchvision wherever it is installed, and fails with it; no network here needs it. What it
    finds it remembers, so torchvision is hidden only while it looks.
    """
    if "transformers.modeling_utils" in sys.modules or _torchvision_loads():
        yield
        return
    hidden = sys.modules.get("torchvision")
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # find_spec then answers that there is none
    try:
        from transformers.utils import import_utils

        for answer in (import_utils.is_torchvision_available, import_utils.is_torchvision_v2_available):
            forget = getattr(answer, "cache_clear", None)
            if forget is not None:
                forget()
            answer()
        yield
    finally:
        del sys.modules["torchvision"]
        if hidden is not None:
            sys.modules["torchvision"] = hidden


def _torchvision_loads() -> bool:
    try:
        import torchvision  # noqa: F401
    except ImportError:  # not installed, or without a part that it needs
        return importlib.util.find_spec("torchvision") is None
    except Exception:  # what an operator that is not there raises
        return False
    return True
