"""Lets torchvision be imported where its compiled operators do not load, as beside a CPU build of torch."""

from __future__ import annotations

import importlib

import torch

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""What torchvision expects to find on import; none of them is called by the nets of the clinic."""

_kept: list[torch.library.Library] = []


def make_importable() -> None:
    """Define the operators by name if torchvision's own do not load; harmless to call twice."""
    if _kept:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        # The half-imported package is gone from sys.modules by now; a library must be kept or its names vanish.
        library = torch.library.Library("torchvision", "DEF")
        for schema in OPERATORS:
            library.define(schema)
        _kept.append(library)
