"""ONNX, checked: the exported file must answer as the model does."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.data import ArraySchema, TableSchema

from . import run_folder
from ._card import Card, load_model

_TOLERANCE = 1e-4


def export_onnx(run: str | Path, path: Path, *, factory: str | None = None) -> float:
    """Write the model of a run folder as ONNX with a free batch size and return the largest difference seen.

    The file takes raw `inputs` and gives `probabilities` (classes) or `values`; class names are in its metadata. The
    check runs batches of 1 and 5 through onnxruntime and refuses the file when any output is off by more than 1e-4
    of the outputs' size. Raises `InputError` without the `export` extra, or where torch cannot export the network.
    """
    onnx, runtime = _libraries()
    card, model = load_model(Path(run), factory=factory)
    network = nn.Sequential(model, nn.Softmax(1)) if card.classes else model
    network.eval()
    example = example_inputs(card, 5)
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["inputs"],
                output_names=["probabilities" if card.classes else "values"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        raise InputError(f"{run}: torch cannot export this network: {str(error).strip().splitlines()[0]}.") from error
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"classes": msgspec.json.encode(card.classes).decode(), "task": card.task})
    content = proto.SerializeToString()
    difference = max(_difference(runtime, content, network, example_inputs(card, size)) for size in (1, 5))
    if not difference <= _TOLERANCE:
        raise InputError(f"{path}: the exported file is off by {difference:.2g}, so it was not written.")
    run_folder.write(path, content)
    return difference


def example_inputs(card: Card, size: int) -> Tensor:
    """Plausible raw inputs (size, *shape) of the type that the model was trained on."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(card.schema, TableSchema):
        numbers = torch.randn(size, len(card.schema.numeric), generator=generator)
        codes = [torch.randint(len(v) + 1, (size, 1), generator=generator) for v in card.schema.categorical.values()]
        return torch.cat([numbers, *(code.float() for code in codes)], dim=1)
    if isinstance(card.schema, ArraySchema) and card.schema.dtype != "uint8":
        return torch.randn(size, *card.shape, generator=generator)
    return torch.randint(256, (size, *card.shape), generator=generator).to(torch.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns and logs about its own internals; what matters is checked numerically."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _difference(runtime, content: bytes, network: nn.Module, inputs: Tensor) -> float:
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    answer = torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])
    with torch.no_grad():
        expected = network(inputs)
    return float((answer - expected).abs().max() / expected.abs().max().clamp_min(1.0))


def _libraries():
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise InputError(f"export needs {error.name}; install it with: pip install 'latih[export]'.") from None
    return onnx, onnxruntime
