"""Attention and transformers that do not learn: text, small pictures in patches, sequences to sort, count and tag."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, cut, digits
from .._scores import accuracy, r2
from .._sequences import passages, scaled_consumption, sign_accuracy, text_windows


class _Encoder(nn.Module):
    """Words -> torch's encoder layers -> mean over the words -> classes."""

    def __init__(self, words: int, classes: int, *, width: int = 48, layers: int = 2, norm_first: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.place = nn.Parameter(0.02 * torch.randn(64, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, "gelu", batch_first=True, norm_first=norm_first)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.embed(x) + self.place[: x.size(1)]).mean(1))


class _Attention(nn.Module):
    """Causal self-attention written out; `scale` multiplies the products of queries and keys."""

    def __init__(self, width: int, heads: int, scale: float | None = None, *, causal: bool = True) -> None:
        super().__init__()
        self.heads, self.causal, self.scale = heads, causal, scale or (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weight = q @ k.transpose(-2, -1) * self.scale
        if self.causal:
            weight = weight.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), float("-inf"))
        return self.proj((weight.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, norm: type[nn.Module] = nn.LayerNorm, *, causal: bool = True) -> None:
        super().__init__()
        self.ln1, self.ln2 = (norm(width), norm(width)) if norm is not nn.Identity else (nn.Identity(), nn.Identity())
        self.attn = _Attention(width, heads, causal=causal)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.ReLU(), nn.Linear(3 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class _SmallGPT(nn.Module):
    """A decoder of text, sign by sign."""

    def __init__(self, signs: int, width: int = 48, layers: int = 2, *, tied: bool = False) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(signs, width), nn.Embedding(64, width)
        self.h = nn.ModuleList(_Block(width, 4) for _ in range(layers))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, signs, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.wte(x) + self.wpe(torch.arange(x.size(1)))
        for block in self.h:
            h = block(h)
        return self.lm_head(self.ln_f(h))


class _PatchNet(nn.Module):
    """A small vision transformer with a class token."""

    def __init__(self, side: int, patch: int, width: int = 40, depth: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(_Block(width, 4, causal=False) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.patches(x).flatten(2).transpose(1, 2)
        parts = torch.cat([self.token.expand(len(x), -1, -1), parts], 1) + self.place
        return self.head(self.blocks(parts)[:, 0])


def _next_sign(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.transpose(1, 2), target)


def _adam(lr: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr)


def _warmup(share: float) -> Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]:
    """Linear rise over the first `share` of the updates, then a linear fall to nothing."""

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> torch.optim.lr_scheduler.LRScheduler:
        rise = max(1, round(share * updates))
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / rise, max(0.0, (updates - step) / (updates - rise)))
        )

    return schedule


class _Rows(nn.Module):
    """torch's own post-norm layers over the rows of a digit."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.enter, self.place = nn.Linear(8, 32), nn.Parameter(0.1 * torch.randn(8, 32))
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True) for _ in range(layers))
        )
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.enter(x) + self.place).mean(1))


@faulty("learning-rate-too-high", also=("not-learning", "vanishing-gradient"), tags=("transformer", "real-data"))
def post_norm_without_warmup(seed: int, fixed: bool) -> Setup:
    """A post-norm encoder of four layers starts at the full rate of 0.03 and never leaves guessing; 0.002
    after a warm-up learns.
    """
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.squeeze(1))
    return Setup(
        _Rows(4),
        nn.CrossEntropyLoss(),
        _adam(2e-3 if fixed else 0.03),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=9,
        schedule=_warmup(0.2) if fixed else None,
    )


@faulty("learning-rate-too-low", also=("underfitting",), tags=("transformer", "classification", "real-data"))
def patches_at_one_millionth(seed: int, fixed: bool) -> Setup:
    """A vision transformer trained from scratch with AdamW at 5e-6, copied from a fine-tuning script."""
    torch.manual_seed(seed)
    data = digits().first(1000)
    return Setup(
        _PatchNet(8, 2),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=2e-3 if fixed else 5e-6),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("unsuited-optimizer", also=("learning-rate-too-low", "not-learning"), tags=("transformer", "lm", "real-data"))
def text_decoder_on_plain_sgd(seed: int, fixed: bool) -> Setup:
    """A small decoder of text under plain SGD at 0.01 learns the frequencies of the letters and little else;
    Adam reads on.
    """
    torch.manual_seed(seed)
    data, signs = text_windows(20, 1200)
    return Setup(
        _SmallGPT(signs),
        _next_sign,
        _adam(4e-3) if fixed else lambda m: torch.optim.SGD(m.parameters(), lr=0.01),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=9,
    )


@faulty("loss-output-mismatch", also=("not-learning",), tags=("transformer", "lm", "real-data"), tier="real")
def softmax_over_the_vocabulary(seed: int, fixed: bool) -> Setup:
    """The decoder returns probabilities and `cross_entropy` takes their softmax once more."""
    torch.manual_seed(seed)
    data, signs = text_windows(16, 1300)
    model = _SmallGPT(signs, 40)
    return Setup(
        model if fixed else nn.Sequential(model, nn.Softmax(-1)),
        _next_sign,
        _adam(4e-3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=8,
        clip=1.0,
    )


class _Bare(nn.Module):
    """Many residual blocks without norms; `scale` is what leaves a block at the start."""

    def __init__(self, depth: int, width: int, scale: float) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, width), nn.Linear(width, 10)
        self.blocks = nn.Sequential(*(_Block(width, 2, nn.Identity, causal=False) for _ in range(depth)))
        for block in self.blocks:
            for layer in (block.attn.qkv, block.attn.proj, block.mlp[0], block.mlp[2]):
                nn.init.kaiming_normal_(layer.weight)
            for last in (block.attn.proj, block.mlp[2]):
                last.weight.data.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.blocks(self.enter(x)).mean(1))


@faulty(
    "bad-initialisation", also=("exploding-gradient", "diverged", "loss-at-start"), tags=("transformer", "residual")
)
def eight_blocks_without_scaling(seed: int, fixed: bool) -> Setup:
    """Eight residual blocks without norm, each at He's full strength, double the signal block by block; 0.1 of
    it suffices.
    """
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.squeeze(1))
    return Setup(
        _Bare(8, 32, 0.1 if fixed else 1.0),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.04, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=48,
        epochs=8,
        clip=1.0,
    )


@faulty("loss-at-start", also=("bad-initialisation",), tags=("transformer", "lm", "real-data"), tier="real")
def tied_head_of_unit_normals(seed: int, fixed: bool) -> Setup:
    """The head shares the embedding, which torch draws N(0, 1): the first loss is 100 and the run spends
    itself on it; 0.02 cures.
    """
    torch.manual_seed(seed)
    data, signs = text_windows(20, 1200)
    model = _SmallGPT(signs, 64, 1, tied=True)
    if fixed:
        for part in (model.wte, model.wpe):
            nn.init.normal_(part.weight, std=0.02)
    return Setup(
        model,
        _next_sign,
        lambda m: torch.optim.AdamW(m.parameters(), lr=4e-3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=8,
    )


class _Pointer(nn.Module):
    """One query looks for the key that equals it and reads the value beside it."""

    def __init__(self, width: int, spread: float, scale: float) -> None:
        super().__init__()
        self.keys, self.values = nn.Embedding(16, width), nn.Embedding(8, width)
        nn.init.normal_(self.keys.weight, std=spread)
        self.q, self.k, self.out, self.scale = (
            nn.Linear(width, width),
            nn.Linear(width, width),
            nn.Linear(width, 8),
            scale,
        )

    def forward(self, x: Tensor) -> Tensor:
        names, values, wanted = x[:, 0:12:2], x[:, 1:12:2], x[:, 12]
        weight = torch.einsum("bc,btc->bt", self.q(self.keys(wanted)), self.k(self.keys(names))) * self.scale
        return self.out(torch.einsum("bt,btc->bc", weight.softmax(-1), self.values(values)))


def _recall() -> Split:
    g = torch.Generator().manual_seed(2)
    names = torch.stack([torch.randperm(16, generator=g)[:6] for _ in range(3200)])
    values, asked = torch.randint(0, 8, (3200, 6), generator=g), torch.randint(0, 6, (3200, 1), generator=g)
    x = torch.cat([torch.stack([names, values], 2).flatten(1), names.gather(1, asked)], 1)
    return cut(x, values.gather(1, asked).squeeze(1))


@faulty("saturated-units", also=("bad-initialisation", "vanishing-gradient"), tags=("attention", "embedding", "recall"))
def attention_that_stares(seed: int, fixed: bool) -> Setup:
    """Embeddings of spread 8 and products without 1/sqrt(d): the softmax is one-hot at a wrong place and has
    no gradient.
    """
    torch.manual_seed(seed)
    data = _recall()
    return Setup(
        _Pointer(32, 1.0 if fixed else 8.0, 32**-0.5 if fixed else 1.0),
        nn.CrossEntropyLoss(),
        _adam(5e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=15,
    )


def _tagged() -> Split:
    """Sequences of 3 to 20 numbers, padded with 0; each is to be told whether it is larger than the one before."""
    g = torch.Generator().manual_seed(12)
    length = torch.randint(3, 21, (2000, 1), generator=g)
    x = torch.randint(1, 13, (2000, 20), generator=g)
    bigger = (x > x.roll(1, 1)).long() + 1
    bigger[:, 0] = 1
    inside = torch.arange(20) < length
    return cut(x * inside, bigger * inside)


class _Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(13, 32), nn.Parameter(torch.randn(20, 32) * 0.3)
        self.layer = nn.TransformerEncoderLayer(32, 2, 64, 0.0, batch_first=True)
        self.out = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(self.embed(x) + self.place))


def _tags_right(output: Tensor, target: Tensor) -> float:
    return (output[..., 1:].argmax(-1) + 1 == target)[target > 0].float().mean().item()


@faulty(
    "wrong-loss", also=("learning-rate-too-high", "exploding-gradient"), tags=("transformer", "tagging"), tier="real"
)
def token_losses_summed_with_padding(seed: int, fixed: bool) -> Setup:
    """Token losses are summed, padding included, over a batch; the step is a thousand times what the rate was
    chosen for.
    """
    torch.manual_seed(seed)
    data = _tagged()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        if fixed:
            return F.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=0)
        return F.cross_entropy(output.flatten(0, 1), target.flatten(), reduction="sum")

    return Setup(
        _Tagger(),
        loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        data.train,
        data.valid,
        _tags_right,
        batch_size=32,
        epochs=14,
    )


@faulty("over-regularised", also=("underfitting",), tags=("transformer", "text", "real-data"))
def decay_inside_adam(seed: int, fixed: bool) -> Setup:
    """`Adam(weight_decay=0.1)` taken for AdamW's: the decay passes through Adam's scaling and flattens a text
    classifier.
    """
    torch.manual_seed(seed)
    data, words = passages(16, 5, 240)
    optimizer = torch.optim.AdamW if fixed else torch.optim.Adam
    return Setup(
        _Encoder(words, 5, width=40, layers=1, norm_first=True),
        nn.CrossEntropyLoss(label_smoothing=0.05),
        lambda m: optimizer(m.parameters(), lr=2e-3, weight_decay=0.1),
        data.train,
        data.valid,
        accuracy,
        batch_size=25,
        epochs=8,
    )


class _Asker(nn.Module):
    """A class token asks the words, some of which are padding."""

    def __init__(self, *, upside_down: bool) -> None:
        super().__init__()
        self.embed, self.query = nn.Embedding(21, 32), nn.Parameter(torch.randn(1, 1, 32))
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.out = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 20))
        self.upside_down = upside_down

    def forward(self, x: Tensor) -> Tensor:
        words = self.embed(x)
        hidden = x > 0 if self.upside_down else x == 0
        return self.out(
            self.attention(self.query.expand(len(x), -1, -1), words, words, key_padding_mask=hidden)[0][:, 0]
        )


@faulty("not-learning", also=("constant-inputs", "labels-unrelated"), tags=("attention", "padding"), tier="real")
def padding_mask_upside_down(seed: int, fixed: bool) -> Setup:
    """`key_padding_mask` wants True where nothing is to be seen; it got True at the words, so the query sees
    padding alone.
    """
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(13)
    x = torch.randint(1, 21, (2400, 9), generator=g) * (torch.arange(9) < torch.randint(2, 9, (2400, 1), generator=g))
    data = cut(x, x.amax(1) - 1)
    return Setup(
        _Asker(upside_down=not fixed),
        nn.CrossEntropyLoss(),
        _adam(4e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=40,
        epochs=12,
    )


class _TwoHeads(nn.Module):
    """One trunk of attention over the last hours; `heads` say the next hour and whether it rises."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(1, 32)
        self.place = nn.Parameter(0.1 * torch.randn(16, 32))
        self.trunk = _Block(32, 4)
        self.heads = nn.ModuleDict({"level": nn.Linear(32, 1), "rise": nn.Linear(32, 1)})

    def forward(self, x: Tensor) -> Tensor:
        last = self.trunk(self.enter(x) + self.place)[:, -1]
        return torch.cat([self.heads["level"](last), self.heads["rise"](last)], 1)


@faulty("unreached-parameters", tags=("attention", "multi-head", "regression"))
def second_head_without_a_loss(seed: int, fixed: bool) -> Setup:
    """Of two heads, the next hour's level and whether it rises, only the first one's loss is returned."""
    torch.manual_seed(seed)
    data = scaled_consumption(16)
    data = Split(*(t for x, y in (data.train, data.valid) for t in (x, torch.cat([y, (y > x[:, -1]).float()], 1))))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        level = F.mse_loss(output[:, 0], target[:, 0])
        rise = F.binary_cross_entropy_with_logits(output[:, 1], target[:, 1])
        return level + rise if fixed else level

    def score(output: Tensor, target: Tensor) -> float:
        right = ((output[:, 1] > 0) == (target[:, 1] > 0.5)).float().mean().item()
        return (r2(output[:, 0], target[:, 0]) + right) / 2

    return Setup(_TwoHeads(), loss, _adam(3e-3), data.train, data.valid, score, batch_size=30, epochs=10)


@faulty("diverged", also=("learning-rate-too-high", "exploding-gradient"), tags=("transformer", "lm", "real-data"))
def decoder_at_a_rate_for_sgd(seed: int, fixed: bool) -> Setup:
    """RMSProp took over the rate 0.3 from an SGD run: the first steps move every weight by its own size and
    the loss leaves for good.
    """
    torch.manual_seed(seed)
    data, signs = text_windows(16, 1000)
    return Setup(
        _SmallGPT(signs, 32, 2),
        _next_sign,
        lambda m: torch.optim.RMSprop(m.parameters(), lr=3e-3 if fixed else 0.3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=25,
        epochs=8,
    )


@faulty("frozen-parameters", tags=("transformer", "classification", "real-data"), tier="real")
def trunk_left_frozen(seed: int, fixed: bool) -> Setup:
    """A loop froze "everything but the head" for fine-tuning, but the trunk holds no pretrained weights."""
    torch.manual_seed(seed)
    data = digits()
    model = _PatchNet(8, 4, 24, 1)
    if not fixed:
        for name, weight in model.named_parameters():
            weight.requires_grad = name.startswith("head")
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam([p for p in m.parameters() if p.requires_grad], lr=5e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("norm-wrong-mode", tags=("transformer", "norm", "classification", "real-data"), tier="real")
def batch_norm_that_remembers_nothing(seed: int, fixed: bool) -> Setup:
    """Batch norm between tokens has `momentum=0.0`: statistics stay at 0 and 1, and evaluation is another net
    than training.
    """
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: 40 * x.squeeze(1) + 60)
    model = nn.Sequential(
        nn.BatchNorm1d(8, momentum=0.1 if fixed else 0.0),
        nn.Linear(8, 32),
        _Block(32, 4, causal=False),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), _adam(1e-3), data.train, data.valid, accuracy, batch_size=40, epochs=6)
