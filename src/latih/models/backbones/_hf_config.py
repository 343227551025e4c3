"""The config of a network of transformers: what is saved of it, and what is let in again."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from latih._checks import InputError, did_you_mean

from ._hf_library import transformers_library
from ._limits import MOST_LAYERS, brief
from ._quiet import quiet

# of the file, the task, the machine or the precision: they say nothing of the architecture
_LEFT_OUT = frozenset(
    (
        "architectures", "attn_implementation", "auto_map", "dtype", "experts_implementation", "id2label", "label2id",
        "name_or_path", "num_labels", "output_attentions", "output_hidden_states", "problem_type", "return_dict",
        "task_specific_params", "torch_dtype", "torchscript", "transformers_version", "use_cache",
    )
)  # fmt: skip
# these make transformers fetch another network, other kernels, or another kind of weights
_REFUSED = (
    "backbone",
    "backbone_config",
    "quantization_config",
    "use_timm_backbone",
    "use_pretrained_backbone",
    "architecture",
)
_COUNTS = ("layer", "depth", "block", "stage", "expert", "repeat")
_DEEPEST = 8


def plain(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The architecture in a config, as JSON can hold it.

    Raises `InputError` for a config that asks for another pretrained network inside, for quantised weights, or for
    absurd numbers of layers.
    """
    architecture = _kept(config)
    _refuse(name, architecture)
    return architecture


def config_for(name: str, model: dict[str, Any]) -> Any:
    """The PretrainedConfig of an architecture, with nothing in it but that.

    Raises `InputError` for a kind that transformers does not have, values that it does not take, and absurd ones.
    """
    if plain(name, model) != model:
        raise InputError(f"backbone {name!r}: the saved architecture has entries that are never saved; it is damaged.")
    library = transformers_library()
    kind, known = model.get("model_type"), library.CONFIG_MAPPING
    if not isinstance(kind, str) or kind not in known:
        raise InputError(
            f"backbone {name!r}: transformers {library.__version__} has no model_type {kind!r}"
            f"{did_you_mean(str(kind), known, '; a newer one may')}."
        )
    settings = {key: value for key, value in model.items() if key != "model_type"}
    try:
        with quiet():
            config = library.AutoConfig.for_model(kind, **settings)
    except Exception as error:  # a library's checks, which raise anything
        raise _unbuildable(name, library, error) from None
    config.use_cache = False  # of earlier tokens, for writing text
    return config


def build_body(name: str, model: dict[str, Any], pooled: bool | None) -> Any:
    """The network of an architecture, with weights drawn at random; nothing is fetched.

    `pooled` says whether it has its own pooling layer, None where it is not asked.
    Raises `InputError` as `config_for` does, and for a network that cannot be built.
    """
    library, config = transformers_library(), config_for(name, model)
    options = {} if pooled is None else {"add_pooling_layer": pooled}
    try:
        with quiet():
            return library.AutoModel.from_config(config, trust_remote_code=False, **options)
    except Exception as error:
        raise _unbuildable(name, library, error) from None


def _unbuildable(name: str, library: ModuleType, error: Exception) -> InputError:
    return InputError(
        f"backbone {name!r}: transformers {library.__version__} cannot build its architecture "
        f"({type(error).__name__}: {brief(error)}); it is damaged, or of another version."
    )


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _kept(one) for key, one in value.items() if key not in _LEFT_OUT and str(key)[:1] != "_"}
    return [_kept(one) for one in value] if isinstance(value, list | tuple) else value


def _refuse(name: str, value: Any, key: str = "", depth: int = 0) -> None:
    """Raise `InputError` for what a config must not ask for, at any depth."""
    if depth > _DEEPEST:
        raise InputError(f"backbone {name!r}: its config is nested more than {_DEEPEST} deep; it is damaged.")
    if key in _REFUSED and value:
        raise InputError(
            f"backbone {name!r}: its config has {key}, which brings in another network or quantised weights; "
            "choose one without."
        )
    if isinstance(value, dict):
        for inner, one in value.items():
            _refuse(name, one, str(inner), depth + 1)
    elif isinstance(value, list | tuple):
        _refuse_count(name, key, len(value) + sum(one for one in value if type(one) is int and _counts(key)))
        for one in value:
            _refuse(name, one, "", depth + 1)
    elif type(value) is int and _counts(key):
        _refuse_count(name, key, value)
    elif value is not None and not isinstance(value, str | int) and not _finite(value):
        raise InputError(f"backbone {name!r}: its config has {key}={value!r}, which cannot be saved; choose another.")


def _refuse_count(name: str, key: str, count: int) -> None:
    if count > MOST_LAYERS:
        raise InputError(
            f"backbone {name!r}: its config asks for {key or 'a list'} of {count}; at most {MOST_LAYERS} are built, "
            "so choose a smaller one."
        )


def _counts(key: str) -> bool:
    return any(word in key for word in _COUNTS)


def _finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
