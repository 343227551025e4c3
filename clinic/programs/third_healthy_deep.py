"""Third series, healthy: deep nets of ordinary kinds that learn well, on pictures, series, sets, graphs and text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, OneCycleLR

from .. import _base as base
from .._base import Setup
from .._data import Split, chaos, digits, fashion, module_words, source_tags, waveforms
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import letter_names, photo_patches, scaled_consumption, sign_accuracy, text_windows
from .third_attention_faults import _Adapted, _Asking, _Gossip, _largest, _rumours, _Tagger, _taught
from .third_autoencoder_faults import _bound, _drawn, _Embedded, _Hourglass, _ink, _nearest, _own, _Variational
from .third_image_faults import _cells, _conv, _scenes
from .third_sequence_faults import _beats, _ctc, _Dots, _LastState, _morse, _read, _returns

healthy = base.healthy
Optimizer = torch.optim.Optimizer


def _by(kind: type[Optimizer], rate: float, **options: object) -> Callable[[nn.Module], Optimizer]:
    return lambda model: kind((p for p in model.parameters() if p.requires_grad), lr=rate, **options)


_adam, _adamw = partial(_by, torch.optim.Adam), partial(_by, torch.optim.AdamW)
_sgd = partial(_by, torch.optim.SGD, momentum=0.9)


def _cosine(optimizer: Optimizer, updates: int) -> CosineAnnealingLR:
    return CosineAnnealingLR(optimizer, updates)


class _Skip(nn.Module):
    """`x + f(x)`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


@healthy(tags=("cnn", "residual", "classification", "real-data"))
def scenes_through_bottlenecks(seed: int) -> Setup:
    """Residual bottlenecks, narrow inside and wide outside, under AdamW on a cosine."""
    torch.manual_seed(seed)
    blocks = [_Skip(_conv(24, 8, padding=0), _conv(8, 8), nn.ConvTranspose2d(8, 24, 3)) for _ in "ab"]
    model = nn.Sequential(
        _conv(1, 24), nn.MaxPool2d(2), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2)
    )
    return Setup(model, nn.CrossEntropyLoss(), _adamw(4e-3), *_scenes().parts, accuracy, 32, 7, schedule=_cosine)


class _Heat(nn.Module):
    """A map of heat over the slide, and the place where it is hottest on average."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(1, 12), _conv(12, 12), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        heat = self.body(x)[:, 0]
        heat, line = heat.flatten(1).softmax(1).view_as(heat), (torch.arange(heat.shape[1]) + 0.5) / heat.shape[1]
        return torch.stack([heat.sum(2) @ line, heat.sum(1) @ line], 1)


@healthy(tags=("cnn", "regression", "keypoints"))
def cells_found_by_a_map_of_heat(seed: int) -> Setup:
    """A fully convolutional net with a soft argmax over places, by RMSprop and a Huber loss."""
    torch.manual_seed(seed)
    optimizer = _by(torch.optim.RMSprop, 2e-3)
    return Setup(_Heat(), nn.HuberLoss(delta=0.1), optimizer, *_cells(20, 1000).parts, r2, 20, 6)


@healthy(tags=("cnn", "ctc"))
def morse_by_dilated_convolutions(seed: int) -> Setup:
    """Connectionist temporal classification over dilated convolutions, on one cycle, clipped."""
    torch.manual_seed(seed)
    schedule = lambda optimizer, updates: OneCycleLR(optimizer, 0.01, total_steps=updates + 1)  # noqa: E731
    return Setup(_Dots(32), _ctc(), _adam(1e-3), *_morse().parts, _read, 20, 8, schedule=schedule, clip=5.0)


@healthy(tags=("autoencoder", "vae", "real-data"))
def divergence_let_in_by_and_by(seed: int) -> Setup:
    """A variational autoencoder whose divergence is weighted from 0 to 1 over the first 200 updates."""
    torch.manual_seed(seed)
    done = [0]

    def update(model: nn.Module, optimizer: Optimizer, x: Tensor, _: Tensor) -> Tensor:
        done[0] += 1
        optimizer.zero_grad()
        output = model(x)
        missed = F.mse_loss(output[:, :64], x, reduction="sum") / (2 * 0.15**2) / len(x)
        loss = missed + min(1.0, done[0] / 200) * (_bound(output, x) - missed)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 50.0)
        optimizer.step()
        return loss.detach()

    return Setup(_Variational(96, 8), _bound, _adamw(4e-3), *_own(_ink()).parts, _drawn, 30, 14, update=update)


@healthy(tags=("cnn", "residual", "denoising", "real-data"))
def photographs_less_their_noise(seed: int) -> Setup:
    """A net that says the noise of a patch and subtracts it, trained by absolute errors."""
    torch.manual_seed(seed)
    clean, g = photo_patches(16, 900), torch.Generator().manual_seed(271)
    data = _own(clean).on_inputs(lambda x: x + 0.15 * torch.randn(x.shape, generator=g))
    layers = [nn.Conv2d(3, 20, 3, padding=1), nn.ReLU(), nn.Conv2d(20, 20, 3, padding=1), nn.ReLU()]
    model = _Skip(*layers, nn.Conv2d(20, 3, 3, padding=1))
    return Setup(model, nn.L1Loss(), _adam(2e-3), *data.parts, r2, 16, 5)


@healthy(tags=("cnn", "autoencoder", "real-data"))
def photographs_coloured_in(seed: int) -> Setup:
    """Colours of a patch from its grey picture, by strided convolutions there and back."""
    torch.manual_seed(seed)
    clean = photo_patches(16, 900).on_targets(lambda x: 2 * x - 1)
    data = clean.on_inputs(lambda x: 2 * x.mean(1, keepdim=True).expand(-1, 3, -1, -1) - 1)
    return Setup(_Hourglass(3, nn.Identity(), 20), nn.MSELoss(), _adamw(3e-3), *data.parts, r2, 18, 6)


@healthy(tags=("cnn", "metric", "real-data"))
def digits_by_the_hardest_triplets(seed: int) -> Setup:
    """Triplets of a batch: its farthest alike and nearest unlike picture for each, with a soft margin."""
    torch.manual_seed(seed)
    data, model = digits(), _Embedded(width=16)

    def loss(points: Tensor, kinds: Tensor) -> Tensor:
        far, alike = (points[:, None] - points).square().sum(2).add(1e-6).sqrt(), kinds[:, None] == kinds
        nearest = far.masked_fill(alike, 1e6).amin(1)
        return F.softplus(far.masked_fill(~alike, 0).amax(1) - nearest).mean()

    return Setup(model, loss, _adam(1e-3), *data.parts, _nearest(model, data), 64, 10)


@healthy(tags=("cnn", "contrastive", "real-data"))
def digits_alike_in_a_large_batch(seed: int) -> Setup:
    """Supervised contrast on the sphere at temperature 0.1, in batches of 192."""
    torch.manual_seed(seed)
    data, model = digits(), _Embedded(width=24, unit=True)

    def loss(points: Tensor, kinds: Tensor) -> Tensor:
        self_ = torch.eye(len(kinds), dtype=torch.bool)
        share = (points @ points.T / 0.1).masked_fill(self_, -1e9).log_softmax(1)
        alike = (kinds[:, None] == kinds) & ~self_
        return -((share * alike).sum(1) / alike.sum(1).clamp(min=1)).mean()

    return Setup(model, loss, _adamw(3e-3), *data.parts, _nearest(model, data), 192, 12)


@healthy(tags=("cnn", "classification", "imbalance", "series"))
def rare_beats_by_focal_loss(seed: int) -> Setup:
    """One beat in eight is odd; a weighted focal loss over a small convolutional net."""
    torch.manual_seed(seed)
    data, weight = _beats(rare=0.12).on_inputs(lambda x: x.unsqueeze(1)), torch.tensor([0.6, 3.0])

    def loss(scores: Tensor, kinds: Tensor) -> Tensor:
        plain = F.cross_entropy(scores, kinds, reduction="none")
        return (weight[kinds] * (1 - (-plain).exp()).square() * plain).mean()

    layers = (nn.Conv1d(1, 12, 7, 2), nn.BatchNorm1d(12), nn.SiLU(), nn.Conv1d(12, 16, 5, 2), nn.SiLU())
    return Setup(
        nn.Sequential(*layers, nn.Flatten(), nn.Linear(112, 2)),
        loss,
        _adam(2e-3),
        *data.parts,
        balanced_accuracy,
        30,
        6,
    )


@healthy(tags=("recurrent", "regression", "quantile", "series"))
def hours_in_five_quantiles(seed: int) -> Setup:
    """A GRU says five quantiles of the next hour; the rate falls by a thousandth each update."""
    torch.manual_seed(seed)
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        missed = wanted - output
        return torch.maximum(levels * missed, (levels - 1) * missed).sum(1).mean()

    def score(output: Tensor, wanted: Tensor) -> float:
        return r2(output[:, 2:3], wanted)

    data, schedule = scaled_consumption(30), lambda optimizer, _: ExponentialLR(optimizer, 0.999)
    return Setup(
        nn.Sequential(_LastState(1, 32), nn.Linear(32, 5)),
        loss,
        _adam(5e-3),
        *data.parts,
        score,
        25,
        8,
        schedule=schedule,
    )


class _Speaker(nn.Module):
    """Signs through an LSTM with dropout; the next sign at each place."""

    def __init__(self, signs: int) -> None:
        super().__init__()
        self.look, self.state = nn.Embedding(signs, 32), nn.LSTM(32, 96, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(96, signs))

    def forward(self, signs: Tensor) -> Tensor:
        return self.head(self.state(self.look(signs))[0])


@healthy(tags=("recurrent", "lm", "real-data"))
def language_reference_by_lstm(seed: int) -> Setup:
    """A character model of Python's reference: Adam, clipped at 1, a little dropout."""
    torch.manual_seed(seed)
    data, signs = text_windows(32, 1500)
    return Setup(
        _Speaker(signs),
        lambda output, wanted: F.cross_entropy(output.flatten(0, 1), wanted.flatten()),
        _adam(8e-3),
        *data.parts,
        sign_accuracy,
        16,
        4,
        clip=1.0,
    )


@healthy(tags=("attention", "sets", "classification"))
def largest_thing_with_warm_up(seed: int) -> Setup:
    """A learnt question to a set of things: smoothed labels, warm-up over 40 updates, then an inverse root."""
    torch.manual_seed(seed)
    schedule = lambda optimizer, _: LambdaLR(optimizer, lambda n: min((n + 1) / 40, (40 / (n + 1)) ** 0.5))  # noqa: E731
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    return Setup(_Asking(7, 6), loss, _adamw(8e-3), *_largest(8, 2000, 6).parts, accuracy, 20, 8, schedule=schedule)


class _Unpadded(nn.Module):
    """The mean of a name's convolved signs, padding left out."""

    def __init__(self, signs: int, classes: int) -> None:
        super().__init__()
        self.look, self.mix = nn.Embedding(signs, 32, padding_idx=0), nn.Conv1d(32, 48, 5, padding=2)
        self.head = nn.Linear(48, classes)

    def forward(self, signs: Tensor) -> Tensor:
        seen = (signs != 0).unsqueeze(1).float()
        x = F.relu(self.mix(self.look(signs).transpose(1, 2))) * seen
        return self.head(x.sum(2) / seen.sum(2))


@healthy(tags=("cnn", "text", "classification", "real-data"))
def names_in_batches_of_eight(seed: int) -> Setup:
    """Names of varied length, their padding masked, in batches of eight."""
    torch.manual_seed(seed)
    data, signs = letter_names(28, 200)
    return Setup(_Unpadded(signs, 10), nn.CrossEntropyLoss(), _adam(2e-3), *data.parts, accuracy, 8, 5)


@healthy(tags=("cnn", "transfer", "frozen", "real-data"))
def new_digits_over_a_frozen_body(seed: int) -> Setup:
    """A net that learnt the digits below five gives its frozen features to a new head for the others."""
    torch.manual_seed(seed)
    data = digits()
    low, high = data.targets < 5, data.valid_targets >= 5
    body = nn.Sequential(_conv(1, 16), _conv(16, 32, stride=2), nn.Flatten())
    first = nn.Sequential(body, nn.Linear(512, 5))
    optimizer = torch.optim.Adam(first.parameters(), lr=2e-3)
    for part in low.nonzero()[:, 0].repeat(4).split(32):
        optimizer.zero_grad()
        F.cross_entropy(first(data.inputs[part]), data.targets[part]).backward()
        optimizer.step()
    model = nn.Sequential(body.requires_grad_(False), nn.Linear(512, 5))
    train, valid = (data.inputs[~low], data.targets[~low] - 5), (data.valid_inputs[high], data.valid_targets[high] - 5)
    return Setup(model, nn.CrossEntropyLoss(), _adam(2e-3), train, valid, accuracy, 16, 6)


@healthy(tags=("graph", "regression"))
def rumours_averaged(seed: int) -> Setup:
    """Two rounds of averaged messages in a small graph, by Adam on a cosine."""
    torch.manual_seed(seed)
    model = _Gossip(mean=True, width=24, rounds=2)
    return Setup(model, nn.MSELoss(), _adam(5e-3), *_rumours(12).parts, r2, 25, 9, schedule=_cosine)


class _TwoHeads(nn.Module):
    """A dictionary of heads over one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 12, 5, 2), nn.GELU(), nn.Conv2d(12, 24, 5, 2), nn.GELU(), nn.Flatten())
        self.heads = nn.ModuleDict({"kind": nn.Linear(384, 10), "ink": nn.Linear(384, 1)})

    def forward(self, x: Tensor) -> Tensor:
        features = self.trunk(x)
        return torch.cat([head(features) for head in self.heads.values()], 1)


@healthy(tags=("cnn", "multi-head", "real-data"))
def clothes_their_kind_and_width(seed: int) -> Setup:
    """Kind by cross-entropy, and by squared error, a third as heavy, how much of the width the garment takes."""
    torch.manual_seed(seed)
    data = fashion(1500)
    wide = [(x > 0).any(2).float().mean(2) for x in (data.inputs, data.valid_inputs)]
    mean, std = wide[0].mean(), wide[0].std()
    both = [torch.cat([y[:, None], (w - mean) / std], 1) for y, w in zip(data[1::2], wide, strict=True)]
    data = Split(data.inputs, both[0], data.valid_inputs, both[1])

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(output[:, :10], wanted[:, 0].long()) + F.mse_loss(output[:, 10], wanted[:, 1]) / 3

    return Setup(
        _TwoHeads(),
        loss,
        _sgd(0.02, nesterov=True),
        *data.parts,
        lambda output, wanted: accuracy(output[:, :10], wanted[:, 0].long()),
        20,
        5,
    )


@healthy(tags=("cnn", "residual", "classification", "series"))
def nervous_days_by_residual_convolutions(seed: int) -> Setup:
    """Returns through residual convolutions with layer norm of a group, SGD with momentum."""
    torch.manual_seed(seed)
    data = _returns(30, 1600).on_inputs(lambda x: x.transpose(1, 2))
    blocks = [_Skip(nn.GroupNorm(1, 16), nn.ReLU(), nn.Conv1d(16, 16, 3, padding=1)) for _ in "abc"]
    model = nn.Sequential(
        nn.Conv1d(1, 16, 3), *blocks, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 2)
    )
    return Setup(model, nn.CrossEntropyLoss(), _sgd(0.03), *data.parts, accuracy, 32, 8)


@healthy(tags=("recurrent", "classification", "end"))
def signals_at_a_tenth_of_the_rate(seed: int) -> Setup:
    """The last epochs of a GRU that has already learnt its signals: the rate is small and little moves."""
    torch.manual_seed(seed)
    data = waveforms().on_inputs(lambda x: x.unflatten(1, (-1, 4)))
    model = nn.Sequential(_LastState(4, 48), nn.Linear(48, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    for _ in range(8):
        for part in torch.randperm(len(data.inputs)).split(30):
            optimizer.zero_grad()
            F.cross_entropy(model(data.inputs[part]), data.targets[part]).backward()
            optimizer.step()
    return Setup(model, nn.CrossEntropyLoss(), _adam(6e-4), *data.parts, accuracy, 30, 3)


@healthy(tags=("mlp", "transfer", "real-data"))
def digits_moved_by_low_rank(seed: int) -> Setup:
    """Low-rank adapters beside frozen layers, for digits that are mirrored."""
    torch.manual_seed(seed)
    data = digits()
    model = _taught(data.columns(), 6)
    for place in (0, 2, 4):
        model[place] = _Adapted(model[place], 8, drawn=True)
    mirrored = data.on_inputs(lambda x: x.flip(3).flatten(1))
    return Setup(model, nn.CrossEntropyLoss(), _adamw(3e-3), *mirrored.parts, accuracy, 32, 8)


@healthy(tags=("transformer", "tagging", "weighted", "real-data"))
def source_code_with_weights(seed: int) -> Setup:
    """Kinds of signs in source code by a transformer, rare kinds weighted, blanks not counted."""
    torch.manual_seed(seed)
    data, signs = source_tags(40, 1200)
    counts = torch.bincount(data.targets.flatten(), minlength=7).float()
    loss = nn.CrossEntropyLoss((counts.sum() / counts).sqrt().clamp(max=5.0), ignore_index=0)

    def score(output: Tensor, kinds: Tensor) -> float:
        return (output.argmax(1) == kinds)[kinds > 0].float().mean().item()

    return Setup(_Tagger(signs, 7, 0.1), loss, _adamw(5e-3), *data.parts, score, 16, 4, clip=1.0)


@healthy(tags=("mlp", "chaos", "regression", "series"))
def chaos_through_gated_units(seed: int) -> Setup:
    """Gated linear units over a window of a delay equation, in batches of 120, by NAdam."""
    torch.manual_seed(seed)
    data = chaos(20).standardised_targets().on_inputs(lambda x: (x - 0.93) / 0.23)
    model = nn.Sequential(nn.Linear(20, 64), nn.GLU(), nn.LayerNorm(32), nn.Linear(32, 64), nn.GLU(), nn.Linear(32, 1))
    return Setup(model, nn.MSELoss(), _by(torch.optim.NAdam, 5e-3), *data.parts, r2, 120, 20)


class _Mixer(nn.Module):
    """Words by embedding and by a gated mixture of their neighbours; the largest of each, a module."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.look, self.near = nn.Embedding(words, 32), nn.Conv1d(32, 64, 3, padding=1)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(32, 6))

    def forward(self, words: Tensor) -> Tensor:
        return self.head(F.glu(self.near(self.look(words).transpose(1, 2)), 1).amax(2))


@healthy(tags=("cnn", "text", "classification", "real-data"))
def modules_by_gated_convolutions(seed: int) -> Setup:
    """Passages of six modules by a gated convolution over words, with dropout and decay."""
    torch.manual_seed(seed)
    data, words = module_words(24, 220)
    return Setup(_Mixer(words), nn.CrossEntropyLoss(), _adamw(6e-3, weight_decay=0.05), *data.parts, accuracy, 16, 7)
