"""Well-known architectures with random weights, made small where they can be: `check` must leave them in peace."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import fashion
from .._scores import accuracy
from .._sequences import passages, sign_accuracy, text_windows
from .._torchvision import make_importable


class Logits(nn.Module):
    """Only the logits of a model that answers with more than a tensor, called by the name its input has there."""

    def __init__(self, model: nn.Module, argument: str = "input_ids") -> None:
        super().__init__()
        self.model, self.argument = model, argument

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (batch, classes), or (batch, length, words)."""
        return self.model(**{self.argument: inputs}).logits


def _pictures(name: str, seed: int, optimizer: Any, size: int = 64, **options: Any) -> Setup:
    """A net of timm on colour pictures of clothes, 16 at a time."""
    make_importable()
    import timm

    torch.manual_seed(seed)
    data = fashion(64, 32).on_inputs(
        lambda pictures: F.interpolate(pictures, size=(size, size), mode="bilinear").expand(-1, 3, -1, -1)
    )
    model = timm.create_model(name, num_classes=10, **options)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, data.train, data.valid, accuracy, batch_size=16, epochs=8)


def _sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.05)


@healthy(tags=("cnn", "residual", "classification", "real-data", "batch-norm"), check_only=True)
def timm_resnet18(seed: int) -> Setup:
    """ResNet-18 as it comes."""
    return _pictures("resnet18", seed, _sgd)


@healthy(tags=("cnn", "residual", "classification", "real-data", "batch-norm"), check_only=True)
def timm_resnet26_narrow(seed: int) -> Setup:
    """ResNet-26, bottleneck blocks, a quarter as wide, whose last norms start at zero."""
    return _pictures("resnet26", seed, _sgd, channels=(16, 32, 64, 128), zero_init_last=True)


@healthy(tags=("cnn", "residual", "classification", "real-data", "batch-norm", "gate"), check_only=True)
def timm_efficientnet(seed: int) -> Setup:
    """EfficientNet-B0: SiLU, squeeze-excite gates, stochastic depth."""
    return _pictures("efficientnet_b0", seed, _adamw, drop_path_rate=0.1)


@healthy(tags=("cnn", "classification", "real-data", "batch-norm", "gate"), check_only=True)
def timm_mobilenet(seed: int) -> Setup:
    """MobileNetV3 small at half width: hard swish, hard sigmoid gates."""
    return _pictures("mobilenetv3_small_050", seed, _adamw)


@healthy(tags=("transformer", "classification", "real-data", "layer-norm"), check_only=True)
def timm_vit_tiny(seed: int) -> Setup:
    """A tiny vision transformer, sixteen patches of sixteen pixels."""
    return _pictures("vit_tiny_patch16_224", seed, _adamw, img_size=64)


@healthy(tags=("cnn", "residual", "classification", "real-data", "layer-norm"), check_only=True)
def timm_convnext_atto(seed: int) -> Setup:
    """ConvNeXt atto, whose blocks are scaled by a millionth at the start."""
    return _pictures("convnext_atto", seed, _adamw)


@healthy(tags=("cnn", "residual", "classification", "real-data", "layer-norm"), check_only=True)
def timm_convnext_v2_femto(seed: int) -> Setup:
    """ConvNeXt V2 femto, with response normalisation that starts at zero."""
    return _pictures("convnextv2_femto", seed, _adamw)


@healthy(tags=("mlp", "residual", "classification", "real-data"), check_only=True)
def timm_res_mlp(seed: int) -> Setup:
    """ResMLP with twelve layers: affine maps where a norm would stand, and layer scales of a tenth or less."""
    return _pictures("resmlp_12_224", seed, _adamw, img_size=64)


@healthy(tags=("cnn", "classification", "real-data", "batch-norm"), check_only=True)
def timm_densenet(seed: int) -> Setup:
    """DenseNet-121: everything before is an input to everything after, norm before ReLU before convolution."""
    return _pictures("densenet121", seed, _sgd)


@healthy(tags=("cnn", "residual", "classification", "real-data", "batch-norm"), check_only=True)
def timm_regnet(seed: int) -> Setup:
    """RegNetX at 200 million operations, grouped convolutions."""
    return _pictures("regnetx_002", seed, _sgd)


def _adamw_small(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)


def _passages(model: nn.Module, data: Any) -> Setup:
    rows = data.first(96)
    loss = nn.CrossEntropyLoss()
    return Setup(Logits(model), loss, _adamw_small, rows.train, rows.valid, accuracy, batch_size=24, epochs=8)


CHAPTERS: dict[str, Any] = dict(num_labels=8)
CLOTHES: dict[str, Any] = dict(num_labels=10)

SMALL: dict[str, Any] = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128)


@healthy(tags=("transformer", "embedding", "classification", "real-data"), check_only=True)
def hf_bert(seed: int) -> Setup:
    """A small BERT, norm after each block, tells chapters apart."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    data, words = passages()
    return _passages(BertForSequenceClassification(BertConfig(vocab_size=words, **CHAPTERS, **SMALL)), data)


@healthy(tags=("transformer", "embedding", "classification", "real-data"), check_only=True)
def hf_roberta(seed: int) -> Setup:
    """A small RoBERTa with its dense tanh head."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(seed)
    data, words = passages()
    config = RobertaConfig(vocab_size=words, pad_token_id=0, bos_token_id=None, eos_token_id=None, **CHAPTERS, **SMALL)
    return _passages(RobertaForSequenceClassification(config), data)


@healthy(tags=("transformer", "embedding", "classification", "real-data"), check_only=True)
def hf_distilbert(seed: int) -> Setup:
    """A small DistilBERT: no token types, no pooler, a ReLU before the head."""
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(seed)
    data, words = passages()
    config = DistilBertConfig(vocab_size=words, dim=64, n_layers=3, n_heads=4, hidden_dim=128, **CHAPTERS)
    return _passages(DistilBertForSequenceClassification(config), data)


def _next_sign(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def _language(model: nn.Module) -> Setup:
    rows = text_windows(length=32, count=160)[0]
    return Setup(model, _next_sign, _adamw_small, rows.train, rows.valid, sign_accuracy, batch_size=16, epochs=8)


@healthy(tags=("transformer", "embedding", "language-model", "real-data", "tied"), check_only=True)
def hf_gpt2(seed: int) -> Setup:
    """A small GPT-2, head tied to the embedding, predicts signs."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    signs = text_windows(length=32, count=160)[1]
    config = GPT2Config(
        vocab_size=signs,
        n_embd=64,
        n_layer=3,
        n_head=4,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    return _language(Logits(GPT2LMHeadModel(config)))


@healthy(tags=("transformer", "embedding", "language-model", "real-data"), check_only=True)
def hf_llama(seed: int) -> Setup:
    """A small Llama: root-mean-square norms, gated SiLU, no biases, fewer keys than queries."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    signs = text_windows(length=32, count=160)[1]
    config = LlamaConfig(
        vocab_size=signs,
        num_key_value_heads=2,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        use_cache=False,
        **SMALL,
    )
    return _language(Logits(LlamaForCausalLM(config)))


@healthy(tags=("transformer", "embedding", "seq2seq", "real-data"), check_only=True)
def hf_t5(seed: int) -> Setup:
    """A small T5, encoder and decoder, gives back the window it reads."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    data, signs = text_windows(length=32, count=160)
    config = T5Config(
        vocab_size=signs + 1,
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        use_cache=False,
        pad_token_id=signs,
    )

    class _Copy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = T5ForConditionalGeneration(config)

        def forward(self, text: Tensor) -> Tensor:
            return self.model(input_ids=text, decoder_input_ids=F.pad(text[:, :-1], (1, 0), value=signs)).logits

    setup = _language(_Copy())
    setup.train, setup.valid = (data.inputs, data.inputs), (data.valid_inputs, data.valid_inputs)
    return setup


@healthy(tags=("transformer", "classification", "real-data", "layer-norm"), check_only=True)
def hf_vit(seed: int) -> Setup:
    """A small vision transformer on grey pictures, patches of seven pixels."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    data = fashion(64, 32)
    config = ViTConfig(image_size=28, patch_size=7, num_channels=1, **CLOTHES, **SMALL)
    model = Logits(ViTForImageClassification(config), "pixel_values")
    return Setup(model, nn.CrossEntropyLoss(), _adamw, data.train, data.valid, accuracy, batch_size=16, epochs=8)
