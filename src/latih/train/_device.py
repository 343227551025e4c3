"""Where to train."""

import torch

from latih._checks import InputError


def pick_device(name: str) -> torch.device:
    """The device that `name` says; "auto" takes the accelerator where there is one.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        current = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return current or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"--device {name!r}: {reason}; choose cpu, cuda, cuda:1, mps or auto.") from None
    if device.type == "meta":
        raise InputError("--device 'meta': it holds no numbers; choose cpu, cuda, cuda:1, mps or auto.")
    return device
