"""The random generators while a model is looked at: put to a start, and asked whether anything was drawn."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from typing import Any

import torch


def reseed() -> None:
    """Start the generators of Python, numpy and torch anew; a block around it puts back what they were."""
    random.seed(0)
    torch.manual_seed(0)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(0)


def generators(devices: Iterable[torch.device]) -> list[Any]:
    """Where the generators of Python, numpy, the CPU and `devices` stand, to be compared."""
    numpy = sys.modules.get("numpy")
    states = [torch.get_rng_state()]
    for device in devices:
        if device.type not in ("cpu", "meta"):
            module = torch.get_device_module(device)
            states.append(module.get_rng_state() if device.type == "mps" else module.get_rng_state(device))
    theirs = [numpy.random.get_state()[1].tobytes(), numpy.random.get_state()[2:]] if numpy else []
    return [random.getstate(), *theirs, *(state.numpy().tobytes() for state in states)]
