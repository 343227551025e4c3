"""`latih.watch`: measure a training that somebody else runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from latih._checks import InputError, whole

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ._watching import Watching


def watch(
    model: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable[..., Any] | None = None,
    every: int | None = None,
) -> Watching:
    """Watch `model` train inside a `with` block of your own loop; when the block ends nothing of it is left.

    Every loss is recorded; layers are looked at in samples: activations, gradients, units that never fire, and the
    update that each weight really made, weight decay and clipping included. Nothing waits for the device but the end of
    a sample, and the loop is not changed: losses are seen when they are differentiated.

    Args:
        model: Any module, also compiled, in DDP, under autocast or accumulating gradients.
        optimizer: The live one. Without it updates are noticed by the weights' change, and what its settings
            explain is not judged.
        loss: The loss if it is a module: its targets are then seen too. Targets of torch's own losses are seen anyway.
        every: Updates between samples. By default the first ones come quickly, then as rarely as keeps their cost
            below two percent of the time, and more often while something looks wrong.

    Returns:
        A `Watching`: `record` (plain data, `record.save(path)`), `findings()` at any time, `log(accuracy=0.9)` for
        validation results that it cannot see.

    Raises:
        InputError: For a model without parameters.

    >>> import torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> with watch(net, optimizer=sgd) as w:
    ...     for _ in range(3):
    ...         loss = nn.functional.cross_entropy(net(torch.randn(16, 4)), torch.randint(2, (16,)))
    ...         sgd.zero_grad()
    ...         loss.backward()
    ...         sgd.step()
    >>> w.record.updates, [layer.activation for layer in w.record.layers]
    (3, ['relu', 'none'])
    """
    # only here: a record is read without torch
    import torch
    from torch import nn

    from ._watching import Watching

    if not isinstance(model, nn.Module):
        raise InputError(f"watch(model={type(model).__name__}): the model must be a torch.nn.Module.")
    if next(model.parameters(), None) is None:
        raise InputError(
            f"watch(model={type(model).__name__}): the model has no parameters, so nothing can be learned."
        )
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            f"watch(optimizer={type(optimizer).__name__}): the optimizer must be the live torch.optim.Optimizer that "
            "moves the model; leave it out if there is none."
        )
    if every is not None:
        whole("watch", "every", every, 1)
    return Watching(model, optimizer, loss, every)
