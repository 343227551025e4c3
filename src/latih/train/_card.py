"""How to rebuild a saved model: `model.json` beside the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from latih._checks import InputError
from latih._notation import build
from latih.data import AnySchema, Data, TableSchema, Task
from latih.models import Featurize, Rescale, Standardize, backbones, call_factory, moments

from . import run_folder

FORMAT = 1
MOST_LAYERS, MOST_WEIGHTS = 10_000, 2_000_000_000
_MOST = 2**24
"""Of anything that a saved model may count: the file may be a stranger's, and memory is taken for it."""

Count = Annotated[int, Meta(ge=1, le=_MOST)]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a saved model; its numbers are in model.safetensors."""

    format: int = FORMAT
    latih: str
    model: str
    """Notation, package.module:factory, or the name of a backbone."""
    backbone: str | None = None
    """What a pretrained network's architecture is rebuilt from."""
    size: Count | None = None
    """Height and width that its images are brought to, where it is not the size of its pretraining."""
    activation: str | None = None
    norm: str | None = None
    shape: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=4)]
    outputs: Count
    task: Task
    classes: tuple[str, ...] = ()
    flagged: Annotated[int, Meta(ge=0, le=_MOST)] = 0
    """Numeric columns of a table whose missing cells are flagged."""
    schema: AnySchema

    @property
    def is_factory(self) -> bool:
        """True when the network is the user's own code."""
        return ":" in self.model and self.backbone is None


class Pipeline(nn.Module):
    """Raw inputs -> `inputs` (standardise) -> `net` -> `outputs` (the user's units)."""

    def __init__(self, inputs: nn.Module, net: nn.Module, outputs: nn.Module) -> None:
        super().__init__()
        self.inputs, self.net, self.outputs = inputs, net, outputs

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) as stored in the data -> (batch, outputs) logits or values."""
        return self.outputs(self.net(self.inputs(x)))


def assemble(card: Card, inputs: nn.Module, outputs: nn.Module, network: nn.Module | None = None) -> Pipeline:
    """Put `network`, or the one that `card` names, between the two given stages."""
    shape = (inputs.width,) if isinstance(inputs, Featurize) else card.shape
    return Pipeline(inputs, network or network_of(card, shape), outputs)


def fitted_stages(data: Data) -> tuple[nn.Module, nn.Module]:
    """Input and output stage, with statistics of the training part of `data`."""
    everything = torch.arange(len(data.train))
    width = data.train.shape[0]
    if isinstance(data.schema, TableSchema):
        width = len(data.schema.numeric)
        chunks = [batch.inputs[:, :width] for batch in data.train.batches(everything, 65536)]
        missing = torch.stack([chunk.isnan().any(0) for chunk in chunks]).any(0)
        mean, std = moments(chunks, width)
        sizes = [len(values) for values in data.schema.categorical.values()]
        first: nn.Module = Featurize(mean, std, missing.nonzero().flatten(), sizes)
    else:
        mean, std = moments((batch.inputs for batch in data.train.batches(everything, 4096)), width)
        per_channel = (width,) + (1,) * (len(data.train.shape) - 1)
        first = Standardize(mean.reshape(per_channel), std.reshape(per_channel))
    return first, fitted_outputs(data.train.targets)


def fitted_outputs(targets: Tensor) -> nn.Module:
    """The stage behind a network: none for classes; for values (n, outputs) what gives them their units back."""
    if not targets.is_floating_point():
        return nn.Identity()
    values = targets.double()
    return Rescale(values.mean(0), values.std(0, correction=0))


def blank_stages(card: Card) -> tuple[nn.Module, nn.Module]:
    """The same stages with empty statistics, to be filled from the weights."""
    last = nn.Identity() if card.task == "classification" else Rescale(*torch.zeros(2, card.outputs))
    if card.backbone is not None:
        rebuilt = backbones.rebuild(card.model, card.backbone, card.outputs)
        return rebuilt.inputs(repeat_grey=card.shape[0] == 1, size=card.size) or nn.Identity(), last
    if isinstance(card.schema, TableSchema):
        empty = torch.zeros(len(card.schema.numeric))
        sizes = [len(values) for values in card.schema.categorical.values()]
        return Featurize(empty, empty, torch.zeros(card.flagged, dtype=torch.long), sizes), last
    per_channel = torch.zeros((card.shape[0],) + (1,) * (len(card.shape) - 1))
    return Standardize(per_channel, per_channel), last


def save_card(folder: Path, card: Card) -> None:
    """Write model.json."""
    run_folder.write(folder / run_folder.CARD, msgspec.json.format(msgspec.json.encode(card), indent=2))


def save_weights(folder: Path, model: nn.Module) -> None:
    """Write model.safetensors; shared weights are written once a name, so each name can be loaded by itself."""
    weights = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
    run_folder.write(folder / run_folder.WEIGHTS, save(weights))


def load_model(folder: Path, *, factory: str | None = None) -> tuple[Card, Pipeline]:
    """Rebuild the model of a run folder, on the CPU in evaluation mode.

    A network of the user's own is imported only when `factory` names it again: a run folder cannot run code by itself.
    Raises `InputError` where the folder holds no run, or not this one's weights.
    """
    try:
        card = read_card(folder)
        weights = load(_content(folder / run_folder.WEIGHTS))
    except OSError as error:
        if (folder / run_folder.WEIGHTS).exists() and not (folder / run_folder.CARD).exists():
            raise InputError(
                f"{folder}: its network was built in Python, so only that code can rebuild it; load "
                f"{run_folder.WEIGHTS} into it with safetensors.torch.load_model."
            ) from None
        raise InputError(f"{folder}: no finished run here ({error.strerror or error}); name a run folder.") from None
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(folder, f"{run_folder.WEIGHTS}: {error}") from None
    if card.is_factory and factory != card.model:
        raise InputError(
            f"{folder}: its network is the code {card.model!r}, which is only imported when you name it; "
            f"pass --model {card.model} if you trust it."
        )
    if not card.is_factory and card.backbone is None:
        _refuse_other_shapes(folder, card, weights)
    model = assemble(card, *blank_stages(card))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the weights do not fit the model ({str(error).splitlines()[-1].strip()}); train again, or "
            "name another run folder."
        ) from None
    return card, model.eval()


def read_card(folder: Path) -> Card:
    """What model.json says, which may come from a stranger: typed, bounded, and at one with itself.

    Raises `InputError` where it is damaged or of a newer latih, and OSError where it is not there.
    """
    content = _content(folder / run_folder.CARD)
    try:
        card = msgspec.json.decode(content, type=Card)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _damaged(folder, f"{run_folder.CARD}: {error}") from None
    if card.format > FORMAT:
        raise InputError(f"{folder}: written by latih {card.latih}, which is newer; upgrade latih.")
    if tuple(card.schema.shape) != card.shape:
        raise _damaged(folder, f"{run_folder.CARD}: a schema of shape {tuple(card.schema.shape)} for {card.shape}")
    expected = card.outputs if card.task == "classification" else 0
    if len(card.classes) != expected or len(set(card.classes)) != expected:
        raise _damaged(folder, f"{run_folder.CARD}: {len(card.classes)} classes for {card.outputs} outputs")
    return card


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe or a device may never end
        raise OSError(f"{path.name} is no file")
    return path.read_bytes()


def _damaged(folder: Path, how: str) -> InputError:
    return InputError(f"{folder}: the saved model is damaged ({how}); train again, or name another run folder.")


def _refuse_other_shapes(folder: Path, card: Card, weights: dict[str, Tensor]) -> None:
    """Compare the network that the card describes with the weights that are there, before memory is taken for it."""
    wanted = _sketched(f"{folder}: the saved model", lambda: assemble(card, *blank_stages(card))).state_dict()
    wrong = [name for name in {**wanted, **weights} if _shape(wanted, name) != _shape(weights, name)]
    if wrong:
        raise InputError(
            f"{folder}: the weights do not fit the model ({wrong[0]} is {_shape(weights, wrong[0])} and should be "
            f"{_shape(wanted, wrong[0])}); train again, or name another run folder."
        )


def _shape(weights: dict[str, Tensor], name: str) -> tuple[int, ...] | str:
    return tuple(weights[name].shape) if name in weights else "absent"


def network_of(card: Card, shape: tuple[int, ...]) -> nn.Module:
    """The network between the stages, with fresh weights, for inputs of `shape` as the first stage gives them."""
    if card.backbone is not None:
        return backbones.rebuild(card.model, card.backbone, card.outputs).build(card.outputs, pretrained=False)
    if card.is_factory:
        return call_factory(card.model, shape, card.outputs)
    spec = build("models", card.model).with_(activation=card.activation, norm=card.norm)
    layers = max(spec.options.get(name, 0) for name in ("depth", "blocks"))
    if layers > MOST_LAYERS:
        raise InputError(f"--model {card.model}: {layers} layers are more than the {MOST_LAYERS} allowed; take fewer.")
    _sketched(f"--model {card.model}", lambda: spec(shape, card.outputs))
    return spec(shape, card.outputs)


def _sketched(call: str, make: Callable[[], nn.Module]) -> nn.Module:
    """The network that `make` builds, as shapes without memory; raises `InputError` where it is too large."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            net = make()
    except InputError:
        raise
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:  # sizes that no tensor can have
        reason = (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
        raise InputError(f"{call}: it cannot be built ({reason}); take a smaller one.") from None
    count = sum(parameter.numel() for parameter in net.parameters())
    if count > MOST_WEIGHTS:
        raise InputError(
            f"{call}: {count:,} weights are more than the {MOST_WEIGHTS:,} that are trained here; take a smaller one."
        )
    return net
