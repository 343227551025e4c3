"""What holds for all tests."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

from hypothesis import settings

# how long one example takes depends on the machine; with CI set, examples are the same in every run
settings.register_profile("latih", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("latih")

# a torchvision made for another build of torch must not end the tests, nor the processes that they start
_SHIM = Path(__file__).parent / "shim"
if importlib.util.find_spec("torchvision") is not None:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_SHIM), os.environ.get("PYTHONPATH"))))
    sys.path.insert(0, str(_SHIM))
    importlib.import_module("sitecustomize")
