"""Lets torchvision be imported where its compiled operators do not load, as beside a CPU build of torch.

On the import path of the tests' own processes and of those that they start. Nothing is imported before somebody asks
for torchvision; declaring the operators that it registers shapes for is enough, since no test calls them.
"""

import sys
from importlib.abc import MetaPathFinder

_OPERATORS = ("nms", "qnms")


class _BeforeTorchvision(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname != "torchvision":
            return
        sys.meta_path.remove(self)
        import torch

        if not self._loads(torch):
            self.library = torch.library.Library("torchvision", "DEF")  # kept: its names live as long as it does
            for operator in _OPERATORS:
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _kept.append(self.library)
        return

    @staticmethod
    def _loads(torch):
        import importlib.util
        from pathlib import Path

        folder = Path(importlib.util.find_spec("torchvision").origin).parent
        for library in folder.glob("_C*.so"):
            try:
                torch.ops.load_library(library)
            except OSError:
                return False
        return True


_kept = []
sys.meta_path.insert(0, _BeforeTorchvision())
