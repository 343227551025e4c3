"""Names, and configs that may be a stranger's: whatever is wrong with them is one sentence."""

import json

import pytest

from latih import InputError
from latih.models.backbones import find, rebuild

PIXELS = {"size": [32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
LITE = {"source": "efficientnet-lite0", "pixels": PIXELS}
BERT = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
}
TEXT = {"source": "hf-text", "pooled": False, "last": False, "width": 32, "length": 16, "pad": 0}


def lite(**changes):
    return json.dumps(LITE | {"pixels": PIXELS | changes})


def text(model=None, **changes):
    return json.dumps(TEXT | {"model": BERT | (model or {})} | changes)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("efficientnet-lite", {}, "no such backbone; did you mean 'efficientnet-lite0'"),
        ("resnet18", {}, "no such backbone; they are efficientnet-lite0, timm:NAME"),
        ("efficientnet-lite0", {"weights": "w.safetensors"}, "brings its own weights"),
        ("hf:somewhere", {"weights": "w.safetensors"}, "brings its own weights"),
        ("efficientnet-lite0", {"shape": (3, 8, 8)}, "shape and head are for package.module:factory"),
        ("timm:resnet18", {"head": "fc"}, "shape and head are for package.module:factory"),
    ],
)
def test_a_wrong_name_or_option_is_one_sentence(name, options, sentence):
    with pytest.raises(InputError, match=sentence):
        find(name, **options)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("", "its saved config is damaged"),
        ("[]", "its saved config is damaged"),
        ("[" * 5000, "its saved config is damaged"),
        ("\ud800", "its saved config is damaged"),
        ('{"source": "pickle"}', "Invalid value 'pickle'"),
        (json.dumps(LITE | {"run": "rm"}), "unknown field `run`"),
        (lite(size=[10**9, 10**9]), "<= 4096"),
        (lite(size=[0, 32]), ">= 1"),
        (lite(mean=[0.5]), "length 3"),
        (lite(std=[0.0, 1.0, 1.0]), r"\$.pixels.std"),
        (lite(mean=["a", 0.5, 0.5]), "Expected `float`"),
        ('{"source": "factory"}', "only imported when you name it"),
        (text(), "another one's config"),
    ],
)
def test_a_damaged_config_is_one_sentence(config, sentence):
    with pytest.raises(InputError, match=sentence):
        rebuild("efficientnet-lite0", config, 5)


def test_outputs_count_towards_the_size():
    with pytest.raises(InputError, match="outputs must be a whole number"):
        rebuild("efficientnet-lite0", lite(), 0)
    with pytest.raises(InputError, match="are too many"):
        rebuild("hf:x", text(), 10**9)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (text({"model_type": "bertt"}), "no model_type 'bertt'; did you mean 'bert'"),
        (text({"model_type": 5}), "no model_type 5"),
        (
            text({"model_type": "timm_wrapper", "architecture": "hf-hub:somebody/something"}),
            "its config has architecture",
        ),
        (text({"hidden_size": 10**9}), "are more than the 2,000,000,000 that are trained here"),
        (text({"vocab_size": 10**9}), "are more than the 2,000,000,000 that are trained here"),
        (text({"num_hidden_layers": 10**9}), "num_hidden_layers of 1000000000; at most 1000"),
        (text({"layer_types": ["full_attention"] * 2000}), "layer_types of 2000; at most 1000"),
        (text({"hidden_size": "wide"}), "cannot build its architecture"),
        (text({"num_attention_heads": 3}), "cannot build its architecture"),
        (text({"hidden_act": "os.system"}), "cannot build its architecture"),
        (text({"attn_implementation": "kernels-community/flash-attn"}), "entries that are never saved"),
        (text({"_attn_implementation": "kernels-community/flash-attn"}), "entries that are never saved"),
        (text({"auto_map": {"AutoModel": "evil.Model"}}), "entries that are never saved"),
        (text({"quantization_config": {"quant_method": "gptq"}}), "its config has quantization_config"),
        (text({"backbone": "microsoft/resnet-50"}), "its config has backbone"),
        (text({"inner": {"inner": {"use_timm_backbone": True}}}), "its config has use_timm_backbone"),
        (text(width=10**9), "<= 100000"),
        (text(length=0), ">= 1"),
        (text(pad=-1), ">= 0"),
        (text(pooled="yes"), "Expected `bool | null`"),
    ],
)
def test_an_absurd_network_is_refused_before_it_takes_memory(config, sentence):
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match=sentence):
        rebuild("hf:x", config, 5)


def test_nothing_deep_is_followed():
    nest = {"inner": 1}
    for _ in range(50):
        nest = {"inner": nest}
    with pytest.raises(InputError, match="nested more than"):
        rebuild("hf:x", text(nest), 5)


@pytest.mark.usefixtures("torchvision_operators")
@pytest.mark.parametrize("model", ["hf-hub:somebody/something", "local-dir:/tmp", "resnet81", "../resnet18"])
def test_only_names_that_timm_has_are_rebuilt(model):
    config = json.dumps({"source": "timm", "model": model, "pixels": PIXELS})
    with pytest.raises(InputError, match="has no model"):
        rebuild(f"timm:{model}", config, 5)
    with pytest.raises(InputError, match="another one's config"):
        rebuild("timm:resnet18", config, 5)


@pytest.mark.usefixtures("torchvision_operators")
def test_a_giant_of_timm_is_refused_before_it_takes_memory():
    config = json.dumps({"source": "timm", "model": "vit_7b_patch16_dinov3", "pixels": PIXELS})
    with pytest.raises(InputError, match="are more than the 2,000,000,000"):
        rebuild("timm:vit_7b_patch16_dinov3", config, 5)
