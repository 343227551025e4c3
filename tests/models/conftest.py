"""What the tests of models share."""

import importlib.util

import pytest
import torch


@pytest.fixture(scope="session")
def torchvision_operators():
    """Let torchvision, and so timm, be imported where its compiled operators were made for another torch.

    Declaring the two operators that it registers shapes for is enough: no test calls them.
    """
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    library = None
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield
    del library
