"""Later series: attention, transformers and embeddings of text and series, with one fault each."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty, healthy
from .._data import digits, module_words, waves
from .._scores import accuracy
from .._sequences import letter_names


def _adam(rate: float, **options: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.AdamW(model.parameters(), lr=rate, **options)


class _Encoder(nn.Module):
    """Words and their places, transformer layers, the mean of the states, a class."""

    def __init__(self, words: int, classes: int, width: int = 32, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.look, self.place = nn.Embedding(words, width), nn.Parameter(0.02 * torch.randn(64, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, words: Tensor) -> Tensor:
        states = self.layers(self.look(words) + self.place[: words.shape[1]])
        return self.head(self.norm(states).mean(1))


@faulty(
    "learning-rate-too-low", also=("underfitting",), tags=("transformer", "classification", "real-data"), tier="real"
)
def noam_times_a_small_rate(seed: int, fixed: bool) -> Setup:
    """The inverse-root schedule of the transformer's paper already is a rate; here Adam's 0.001 is multiplied by it."""
    torch.manual_seed(seed)
    data, words = module_words()

    def noam(step: int) -> float:
        return 32**-0.5 * min((step + 1) ** -0.5, (step + 1) * 40**-1.5)

    return Setup(
        _Encoder(words, 6),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=0.25 if fixed else 1e-3, betas=(0.9, 0.98), eps=1e-9),
        *data.parts,
        accuracy,
        batch_size=25,
        epochs=5,
        schedule=lambda optimizer, _: torch.optim.lr_scheduler.LambdaLR(optimizer, noam),
    )


class _Pooled(nn.Module):
    """One learnt question asks every word how much it has to say; padding is masked."""

    def __init__(self, words: int, classes: int, hidden: float) -> None:
        super().__init__()
        self.look, self.ask, self.hidden = nn.Embedding(words, 40), nn.Linear(40, 1), hidden
        self.head = nn.Sequential(nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, classes))

    def forward(self, words: Tensor) -> Tensor:
        states = self.look(words)
        weight = self.ask(torch.tanh(states)).squeeze(-1).masked_fill(words == 0, self.hidden).softmax(1)
        return self.head((weight.unsqueeze(1) @ states).squeeze(1))


@faulty("diverged", also=("non-finite-data", "not-learning"), tags=("attention", "padding", "real-data"), tier="real")
def empty_text_under_a_mask(seed: int, fixed: bool) -> Setup:
    """Three texts are empty, all padding: a softmax over nothing but minus infinity is NaN, and so are all weights."""
    torch.manual_seed(seed)
    data, words = module_words(12, 300)
    data = data._replace(inputs=data.inputs.clone())
    data.inputs[[100, 400, 700]] = 0
    model = _Pooled(words, 6, -1e4 if fixed else float("-inf"))
    return Setup(model, nn.CrossEntropyLoss(), _adam(5e-3), *data.parts, accuracy, batch_size=25, epochs=8)


class _Prototypes(nn.Module):
    """A text is the mean of its words, and its class the nearest of learnt directions, at a temperature of 0.05."""

    def __init__(self, words: int, classes: int, *, unit: bool) -> None:
        super().__init__()
        self.words, self.centres = nn.EmbeddingBag(words, 48), nn.Parameter(torch.randn(classes, 48))
        self.change, self.unit = nn.Linear(48, 48), unit

    def forward(self, words: Tensor) -> Tensor:
        text, centres = self.words(words), self.centres
        text = text + self.change(text)
        if self.unit:
            text, centres = F.normalize(text, dim=1), F.normalize(centres, dim=1)
        return text @ centres.T / 0.05


@faulty("loss-at-start", also=("bad-initialisation",), tags=("embedding", "metric", "real-data"))
def temperature_without_normalisation(seed: int, fixed: bool) -> Setup:
    """Products are divided by a temperature for cosines and nothing was normalised: the loss starts at about 70."""
    torch.manual_seed(seed)
    data, words = module_words()
    return Setup(
        _Prototypes(words, 6, unit=fixed),
        nn.CrossEntropyLoss(),
        _adam(0.01),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=5,
    )


class _Patches(nn.Module):
    """A digit as sixteen patches of 2 x 2, two attention layers, a class token."""

    def __init__(self, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.cut, self.token = nn.Conv2d(1, width, 2, 2), nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(width, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.cut(x).flatten(2).transpose(1, 2)
        states = torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.place
        return self.head(self.layers(states)[:, 0])


@faulty("learning-rate-too-high", also=("diverged", "not-learning"), tags=("transformer", "transfer", "real-data"))
def tuned_until_forgotten(seed: int, fixed: bool) -> Setup:
    """A net that knows five digits is tuned to the other five at 0.1 instead of 0.001, and loses what it had."""
    torch.manual_seed(seed)
    data, model = digits(), _Patches()
    known = data.targets < 5
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for part in known.nonzero()[:, 0].repeat(6).split(32):
        optimizer.zero_grad()
        F.cross_entropy(model(data.inputs[part]), data.targets[part]).backward()
        optimizer.step()
    rest, unseen = ~known, data.valid_targets >= 5
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        _adam(2e-3 if fixed else 0.1),
        (data.inputs[rest], data.targets[rest]),
        (data.valid_inputs[unseen], data.valid_targets[unseen]),
        accuracy,
        batch_size=24,
        epochs=5,
    )


@faulty("constant-inputs", also=("not-learning",), tags=("transformer", "text", "classification", "real-data"))
def only_the_licence_is_read(seed: int, fixed: bool) -> Setup:
    """Every file opens with the same sixteen words of licence, and texts are cut after sixteen words."""
    torch.manual_seed(seed)
    data, words = module_words()
    licence = torch.randint(2, words, (16,), generator=torch.Generator().manual_seed(2))
    length = 36 if fixed else 16
    data = data.on_inputs(lambda x: torch.cat([licence.expand(len(x), -1), x], 1)[:, :length])
    return Setup(
        _Encoder(words, 6, 24, 1), nn.CrossEntropyLoss(), _adam(6e-3), *data.parts, accuracy, batch_size=32, epochs=5
    )


class _TwoAnswers(nn.Module):
    """Attention over slices of a wave; one head says its form, one its pitch."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.slices, self.attend = nn.Conv1d(1, width, 8, 4), nn.MultiheadAttention(width, 4, batch_first=True)
        self.mix = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.heads = nn.ModuleDict({"form": nn.Linear(width, 4), "pitch": nn.Linear(width, 1)})

    def forward(self, x: Tensor) -> Tensor:
        states = F.relu(self.slices(x)).transpose(1, 2)
        pooled = self.mix(states + self.attend(states, states, states, need_weights=False)[0]).amax(1)
        return torch.cat([head(pooled) for head in self.heads.values()], 1)


def _form_right(output: Tensor, y: Tensor) -> float:
    return accuracy(output[:, :4], y[:, 0])


@faulty("missing-zero-grad", also=("diverged",), tags=("attention", "multi-head", "multi-loss", "series"))
def only_the_heads_are_cleared(seed: int, fixed: bool) -> Setup:
    """Each head clears its own gradients before its backward; those of the shared body are never cleared."""
    torch.manual_seed(seed)
    data = waves(noise=0.1)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        for head in model.heads.values():
            head.zero_grad()
        if fixed:
            optimizer.zero_grad()
        output = model(x)
        form, pitch = F.cross_entropy(output[:, :4], y[:, 0].long()), F.mse_loss(output[:, 4], (y[:, 1] - 4) / 1.15)
        form.backward(retain_graph=True)
        pitch.backward()
        optimizer.step()
        return (form + pitch).detach()

    return Setup(
        _TwoAnswers(),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.8),
        *data.parts,
        _form_right,
        batch_size=20,
        epochs=12,
        update=update,
    )


@faulty("overfitting", tags=("transformer", "text", "classification", "real-data"))
def seventy_names_by_heart(seed: int, fixed: bool) -> Setup:
    """A transformer sees seventy names fifty times and knows them; the others were left in the file."""
    torch.manual_seed(seed)
    data, signs = letter_names(20)
    return Setup(
        _Encoder(signs, 10, 32, 1, 0.1 if fixed else 0.0),
        nn.CrossEntropyLoss(label_smoothing=0.05 if fixed else 0.0),
        _adam(3e-3),
        *(data if fixed else data.first(70)).parts,
        accuracy,
        batch_size=40 if fixed else 14,
        epochs=8 if fixed else 50,
    )


@faulty("oscillating-loss", also=("learning-rate-too-high", "diverged"), tags=("embedding", "text", "real-data"))
def momentum_without_brakes(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum 0.98 swings a bag of words from one class to the next; with 0.9 it settles."""
    torch.manual_seed(seed)
    data, words = module_words()
    model = nn.Sequential(nn.EmbeddingBag(words, 32), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 6))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.5, momentum=0.9 if fixed else 0.98),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=24,
    )


@healthy(tags=("transformer", "text", "classification", "real-data"))
def modules_with_warm_up(seed: int) -> Setup:
    """A pre-norm encoder of source code: AdamW, a tenth of the run to warm up, cosine, dropout, smoothed labels."""
    torch.manual_seed(seed)
    data, words = module_words(24)
    return Setup(
        _Encoder(words, 6, 32, 2, 0.1),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        _adam(4e-4),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=6,
        clip=1.0,
        schedule=lambda optimizer, n: torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, n + 1, pct_start=0.1),
    )


@healthy(tags=("embedding", "text", "classification", "real-data"))
def bag_of_words_by_sgd(seed: int) -> Setup:
    """Averaged word vectors and one linear layer, SGD at a rate that falls in a straight line, as fastText has it."""
    torch.manual_seed(seed)
    data, words = module_words(24)
    return Setup(
        nn.Sequential(nn.EmbeddingBag(words, 24), nn.Linear(24, 6)),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=2.0),
        *data.parts,
        accuracy,
        batch_size=8,
        epochs=14,
        schedule=lambda optimizer, n: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, n),
    )


@healthy(tags=("attention", "multi-head", "multi-loss", "series"))
def form_and_pitch_at_once(seed: int) -> Setup:
    """One trunk with attention, two heads, the sum of their losses; Adam with clipping."""
    torch.manual_seed(seed)
    data = waves(noise=0.15)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output[:, :4], y[:, 0].long()) + 0.5 * F.smooth_l1_loss(output[:, 4], y[:, 1] - 4)

    return Setup(_TwoAnswers(40), loss, _adam(4e-3), *data.parts, _form_right, batch_size=24, epochs=12, clip=2.0)
