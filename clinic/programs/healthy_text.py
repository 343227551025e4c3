"""Healthy nets on text: language models, bags of words, attention under masks, a recurrence clipped hard."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._scores import accuracy
from .._sequences import letter_names, passages, sign_accuracy, text_windows


def _next_sign(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class _Recurrent(nn.Module):
    """Embedding, one recurrent layer, and a head at every step or at the last."""

    def __init__(
        self, signs: int, layer: nn.Module, width: int, outputs: int, *, every_step: bool, size: int = 32
    ) -> None:
        super().__init__()
        self.look, self.layer, self.head = nn.Embedding(signs, size), layer, nn.Linear(width, outputs)
        self.every_step = every_step

    def forward(self, signs: Tensor) -> Tensor:
        hidden, _ = self.layer(self.look(signs))
        return self.head(hidden if self.every_step else hidden[:, -1])


@healthy(tags=("recurrent", "embedding", "language-model", "real-data", "clip"))
def gru_language_model(seed: int) -> Setup:
    """A GRU that predicts the next sign of Python's language reference; clipped at 1 as one does."""
    torch.manual_seed(seed)
    data, signs = text_windows(count=1600)
    return Setup(
        _Recurrent(signs, nn.GRU(32, 80, batch_first=True), 80, signs, every_step=True),
        _next_sign,
        lambda model: torch.optim.Adam(model.parameters(), lr=8e-3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=6,
        clip=1.0,
    )


@healthy(tags=("recurrent", "embedding", "language-model", "real-data", "tied"))
def lstm_with_open_gates_and_tied_embedding(seed: int) -> Setup:
    """An LSTM whose forget gates start open at 1, and whose head is the embedding itself."""
    torch.manual_seed(seed)
    data, signs = text_windows(length=24, count=2000)

    class _Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.layer = nn.Embedding(signs, 64), nn.LSTM(64, 64, batch_first=True)
            nn.init.normal_(self.look.weight, std=0.1)
            for name, bias in self.layer.named_parameters():
                if "bias_ih" in name:
                    nn.init.zeros_(bias)
                    nn.init.ones_(bias.data[64:128])
            self.head = nn.Linear(64, signs)
            self.head.weight = self.look.weight

        def forward(self, text: Tensor) -> Tensor:
            return self.head(self.layer(self.look(text))[0])

    return Setup(
        _Tied(),
        _next_sign,
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=40,
        epochs=6,
    )


@healthy(tags=("transformer", "embedding", "language-model", "real-data"))
def causal_transformer(seed: int) -> Setup:
    """Two pre-norm blocks under a causal mask, one small spread for all weights, warmup and linear decay."""
    torch.manual_seed(seed)
    data, signs = text_windows(length=24, count=1700)

    class _Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.place = nn.Embedding(signs, 48), nn.Parameter(torch.zeros(24, 48))
            block = nn.TransformerEncoderLayer(48, 4, 96, 0.0, "gelu", batch_first=True, norm_first=True)
            self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, signs, bias=False)
            for layer in self.modules():
                if isinstance(layer, nn.Linear | nn.Embedding):
                    nn.init.normal_(layer.weight, std=0.08)

        def forward(self, text: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(text.shape[1])
            return self.head(self.norm(self.blocks(self.look(text) + self.place, mask, is_causal=True)))

    def straight(optimizer: torch.optim.Optimizer, updates: int) -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 30, 1 - step / (updates + 1)))

    return Setup(
        _Causal(),
        _next_sign,
        lambda model: torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.98), weight_decay=0.01),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=6,
        schedule=straight,
    )


@healthy(tags=("embedding", "classification", "real-data"))
def bag_of_words(seed: int) -> Setup:
    """The mean of word embeddings tells which chapter a passage is from; most words are rare, many rows never move."""
    torch.manual_seed(seed)
    data, words = passages(words=24)

    class _Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.EmbeddingBag(words + 500, 32, mode="mean"), nn.Linear(32, 8)

        def forward(self, passage: Tensor) -> Tensor:
            return self.head(self.words(passage))

    return Setup(
        _Bag(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02),
        data.train,
        data.valid,
        accuracy,
        epochs=10,
    )


@healthy(tags=("mlp", "classification", "real-data", "counts"))
def word_counts(seed: int) -> Setup:
    """A wide, sparse vector of word counts, almost all zeros, into a small net with dropout on the inputs."""
    torch.manual_seed(seed)
    data, words = passages(words=32)
    data = data.on_inputs(lambda passage: F.one_hot(passage, words).sum(1).float())
    model = nn.Sequential(nn.Dropout(0.3), nn.Linear(words, 40), nn.ReLU(), nn.Linear(40, 8))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=9,
    )


@healthy(tags=("transformer", "embedding", "classification", "real-data", "mask"))
def masked_attention_over_names(seed: int) -> Setup:
    """Names of letters, padded with zeros that attention may not see, to the script they belong to."""
    torch.manual_seed(seed)
    data, signs = letter_names(each=140)

    class _Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.place = nn.Embedding(signs, 32, padding_idx=0), nn.Embedding(32, 32)
            self.block = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True)
            self.head = nn.Linear(32, 10)

        def forward(self, name: Tensor) -> Tensor:
            empty = name == 0
            hidden = self.block(self.look(name) + self.place.weight, src_key_padding_mask=empty)
            kept = hidden.masked_fill(empty.unsqueeze(2), 0.0).sum(1) / (~empty).sum(1, keepdim=True)
            return self.head(kept)

    return Setup(
        _Names(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
    )


@healthy(tags=("recurrent", "classification", "embedding", "real-data", "clip"))
def orthogonal_recurrence_clipped_hard(seed: int) -> Setup:
    """A plain tanh recurrence with an orthogonal start; its gradients are cut at 0.25 in nearly every update."""
    torch.manual_seed(seed)
    data, signs = letter_names(length=20, each=160)
    layer = nn.RNN(24, 64, batch_first=True)
    nn.init.orthogonal_(layer.get_parameter("weight_hh_l0"))
    model = _Recurrent(signs, layer, 64, 10, every_step=True, size=24)

    class _Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = model

        def forward(self, name: Tensor) -> Tensor:
            return self.body(name).mean(1)

    return Setup(
        _Mean(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
        clip=0.25,
    )
