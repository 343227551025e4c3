"""How to rebuild a saved model: `model.json` beside the weights."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from latih._checks import InputError
from latih._notation import build
from latih.data import AnySchema, Data, TableSchema
from latih.models import Featurize, Rescale, Standardize, backbones, call_factory, moments

from . import run_folder

FORMAT = 1


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a saved model; its numbers are in model.safetensors."""

    format: int = FORMAT
    latih: str
    model: str
    """Notation, package.module:factory, or the name of a backbone."""
    backbone: str | None = None
    """What a pretrained network's architecture is rebuilt from."""
    size: int | None = None
    """Height and width that its images are brought to, where it is not the size of its pretraining."""
    activation: str | None = None
    norm: str | None = None
    shape: tuple[int, ...]
    outputs: int
    task: str
    classes: tuple[str, ...] = ()
    flagged: int = 0
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
        card = msgspec.json.decode((folder / run_folder.CARD).read_bytes(), type=Card)
        weights = load((folder / run_folder.WEIGHTS).read_bytes())
    except OSError as error:
        if (folder / run_folder.WEIGHTS).exists():
            raise InputError(
                f"{folder}: its network was built in Python, so only that code can rebuild it; load "
                f"{run_folder.WEIGHTS} into it with safetensors.torch.load_model."
            ) from None
        raise InputError(f"{folder}: no finished run here ({error.strerror}); name a run folder.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise InputError(f"{folder}: the saved model is damaged ({error}).") from None
    if card.format > FORMAT:
        raise InputError(f"{folder}: written by latih {card.latih}, which is newer; upgrade latih.")
    if card.is_factory and factory != card.model:
        raise InputError(
            f"{folder}: its network is the code {card.model!r}, which is only imported when you name it; "
            f"pass --model {card.model} if you trust it."
        )
    model = assemble(card, *blank_stages(card))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the weights do not fit the model ({str(error).splitlines()[-1].strip()})."
        ) from None
    return card, model.eval()


def network_of(card: Card, shape: tuple[int, ...]) -> nn.Module:
    """The network between the stages, with fresh weights, for inputs of `shape` as the first stage gives them."""
    if card.backbone is not None:
        return backbones.rebuild(card.model, card.backbone, card.outputs).build(card.outputs, pretrained=False)
    if card.is_factory:
        return call_factory(card.model, shape, card.outputs)
    return build("models", card.model).with_(activation=card.activation, norm=card.norm)(shape, card.outputs)
