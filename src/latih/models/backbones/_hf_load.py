"""Weights, config and the small files of a network of transformers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latih._checks import InputError

from ._hf_config import build_body, config_for, plain
from ._hf_library import transformers_library
from ._limits import brief, sketched
from ._quiet import quiet


@dataclass(frozen=True)
class Pretrained:
    """What was found under a name."""

    name: str
    """As the user wrote it."""
    source: Path | str
    net: Any
    """A PreTrainedModel in evaluation mode and float32."""
    model: dict[str, Any]
    """Its architecture, as in config.json."""
    pooled: bool | None
    """Whether it has its own pooling layer, with trained weights; None where that is not asked of it."""

    def json_file(self, file: str) -> dict[str, Any]:
        """The content of a small file beside the weights, {} where there is none."""
        text = self.text_file(file)
        try:
            content = json.loads(text) if text is not None else {}
        except ValueError as error:
            raise InputError(f"backbone {self.name!r}: {file} is damaged ({brief(error)}); fetch it again.") from None
        if not isinstance(content, dict):
            raise InputError(f"backbone {self.name!r}: {file} holds no settings by name; fetch it again.")
        return content

    def text_file(self, file: str) -> str | None:
        """The text of a file beside the weights, None where there is none."""
        path = self.source / file if isinstance(self.source, Path) else _fetched(self.source, file)
        try:
            return path.read_text(encoding="utf-8") if path is not None and path.is_file() else None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"backbone {self.name!r}: {file} cannot be read ({error}); fetch it again.") from None


def load_pretrained(name: str, source: Path | str) -> Pretrained:
    """Read or fetch the network, without a pooling layer whose weights the checkpoint lacks.

    Its config is read first and cut down to the architecture: one that names kernels or another network to fetch, or a
    network that is too large, comes no further.
    """
    library = transformers_library()
    with _reading(name, source):
        config = library.AutoConfig.from_pretrained(str(source), trust_remote_code=False)
    model = plain(name, config.to_dict())
    body = sketched(name, lambda: build_body(name, model, None))
    pooled = "add_pooling_layer" in inspect.signature(type(body)).parameters
    net, missing = _loaded(name, source, model)
    drop = pooled and (net.main_input_name == "input_ids" or any(key.startswith("pooler.") for key in missing))
    if drop:
        net, missing = _loaded(name, source, model, add_pooling_layer=False)
    if missing:
        raise InputError(
            f"backbone {name!r}: the checkpoint lacks {len(missing)} of the network's weights "
            f"({', '.join(sorted(missing)[:3])}); fetch it again, or choose another."
        )
    return Pretrained(name, source, net, model, not drop if pooled else None)


def _loaded(name: str, source: Path | str, model: dict[str, Any], **options: Any) -> tuple[Any, set[str]]:
    library, config = transformers_library(), config_for(name, model)
    with _reading(name, source):
        net, report = library.AutoModel.from_pretrained(
            str(source),
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    reshaped = [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]]
    return net.float().eval(), {*report["missing_keys"], *reshaped}


@contextmanager
def _reading(name: str, source: Path | str) -> Iterator[None]:
    """Without noise, and with one sentence for whatever the disk, the network, the hub's client or transformers say."""
    here = isinstance(source, Path)
    try:
        with quiet(), _no_bars() if here else nullcontext():
            yield
    except Exception as error:
        rule = f"cannot be read from {source}" if here else "could not be fetched"
        way_out = (
            "a folder needs config.json and model.safetensors, of a network that transformers knows"
            if here
            else "check the name and the connection, or name a folder"
        )
        raise InputError(f"backbone {name!r}: it {rule} ({brief(error)}); {way_out}.") from None


@contextmanager
def _no_bars() -> Iterator[None]:
    """No progress bar, for what takes no time."""
    logs = transformers_library().utils.logging
    shown = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logs.enable_progress_bar()


def _fetched(name: str, file: str) -> Path | None:
    library = transformers_library()
    try:
        with quiet():
            path = library.utils.cached_file(
                name,
                file,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
    except Exception:  # then it is not there
        return None
    return Path(path) if path else None
