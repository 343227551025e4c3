"""What `load_weights` refuses, before anything is copied."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latih._checks import InputError
from latih.tape import unwrap

from ._weights_report import Loaded, listed


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name; refused where one cannot hold numbers yet."""
    if not isinstance(model, nn.Module):
        raise InputError(f"load_weights(model={type(model).__name__}): the model must be a torch.nn.Module; pass it.")
    entries = unwrap(model).state_dict(keep_vars=True)
    state = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    for name, value in state.items():
        if is_lazy(value):
            raise InputError(f"load_weights(model=...): {name} has no shape yet; run the model once on a batch first.")
        if value.is_meta:
            raise InputError(
                f"load_weights(model=...): {name} is on the meta device and can hold no numbers; "
                "move the model with to_empty(device=...) and initialise it first."
            )
    return state


def check_match(
    call: str,
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    report: Loaded,
    *,
    partial: bool,
) -> None:
    """Refuse a source that has nothing for the model; and less than half of it, unless that is asked for."""
    if not report.loaded:
        shapes = listed(f"{name} {there} -> {here}" for name, there, here in report.reshaped)
        raise InputError(
            f"{call}: wrong checkpoint, no name and shape in it is one of the model's"
            f"{f' under the prefix {report.prefix!r}' if report.prefix else ''}: it has {listed(tensors)}, the model "
            f"has {listed(state)}{f'; of another shape: {shapes}' if shapes else ''}; "
            "pass weights of this architecture."
        )
    filled = {id(state[name]) for name in report.loaded}
    counts = [(parameter.numel(), id(parameter) in filled) for parameter in model.parameters()]
    share = sum(count for count, full in counts if full) / max(sum(count for count, _ in counts), 1)
    if share < 0.5 and not partial:
        raise InputError(
            f"{call}: only {share:.1%} of the model's weights are in it, {report.counts()}; pass weights of this "
            "architecture, or partial=True to take what there is."
        )


def ready(call: str, name: str, value: Tensor, target: Tensor) -> Tensor:
    """The value in its target's dtype; refused where it would not mean the same there, or is not finite."""
    kinds = [(one.is_floating_point(), one.is_complex()) for one in (value, target)]
    # 8 bits go with scales that are kept elsewhere
    if value.dtype != target.dtype and (kinds[0] != kinds[1] or _is_float8(value)):
        raise InputError(
            f"{call}: {name} has dtype {str(value.dtype)[6:]} and {str(target.dtype)[6:]} in the model; "
            "pass weights that are not quantised."
        )
    if value.is_meta:
        raise InputError(f"{call}: {name} is on the meta device and holds no numbers; pass real tensors.")
    cast = value.detach().to(target.dtype)
    finite = _finite(cast)
    # a mask of -inf is as it should be where the model's own has it too
    if not finite.all() and not (finite | (cast == target.detach().to(cast.device))).all():
        if _finite(value).all():
            raise InputError(
                f"{call}: {name} has numbers beyond {str(target.dtype)[6:]}; load into float32, then convert the model."
            )
        raise InputError(f"{call}: {name} holds NaN or infinity; pass a checkpoint from before the run failed.")
    return cast


def _finite(value: Tensor) -> Tensor:
    return (value.float() if _is_float8(value) else value).isfinite()  # torch has no isfinite for 8 bits


def _is_float8(value: Tensor) -> bool:
    return value.is_floating_point() and value.element_size() == 1
