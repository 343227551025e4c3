"""One file a family of programs; importing this package fills `PROGRAMS`."""

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
