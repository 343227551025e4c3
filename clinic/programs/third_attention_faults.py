"""Third series: attention, transformers, graphs and sets, and the tuning of trained nets, with one fault each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, cut, digits, fashion, module_words, source_tags
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import passages

faulty = base.faulty
Optimizer = torch.optim.Optimizer


def _adamw(rate: float, **options: float) -> Callable[[nn.Module], Optimizer]:
    return lambda model: torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=rate, **options)


@cache
def _largest(length: int = 12, count: int = 2000, colours: int = 4) -> Split:
    """Things (n, length, 1 + colours): a size and a colour each; the colour of the largest (n,)."""
    g = torch.Generator().manual_seed(241)
    size, colour = torch.rand(count, length, generator=g), torch.randint(0, colours, (count, length), generator=g)
    x = torch.cat([2 * size.unsqueeze(-1) - 1, F.one_hot(colour, colours).float()], -1)
    return cut(x, colour.gather(1, size.argmax(1, keepdim=True)).squeeze(1))


@cache
def _sites(count: int = 1500, most: int = 8) -> Split:
    """A map's marks (n, 8, 2) in metres, 0 to 5,000, and how far they are spread (n, 1), standardised."""
    g = torch.Generator().manual_seed(251)
    x = 5000 * torch.rand(count, most, 2, generator=g)
    return cut(x, x.std(1).mean(1, keepdim=True)).standardised_targets()


@cache
def _rumours(people: int = 16, count: int = 1500) -> Split:
    """Who knows whom (n, people, people) and a mark each in the last column; marks within two steps of the first."""
    g = torch.Generator().manual_seed(257)
    knows = (torch.rand(count, people, people, generator=g) < 0.25).float()
    knows = ((knows + knows.transpose(1, 2)) > 0).float()
    marks = torch.randn(count, people, 1, generator=g)
    near = ((knows[:, :1] @ knows) > 0).float()
    told = (near @ marks).squeeze(-1) / near.sum(2).clamp(min=1)
    return cut(torch.cat([knows, marks], 2), told).standardised_targets()


class _Linear(nn.Module):
    """Attention without softmax, `phi(q) (phi(k)' v)`: linear in the length; its denominator may be left out."""

    def __init__(self, width: int, *, divide: bool) -> None:
        super().__init__()
        self.maps, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.divide = divide

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.maps(x).chunk(3, -1)
        query, key = F.elu(query) + 1, F.elu(key) + 1
        found = query @ (key.transpose(1, 2) @ value)
        if self.divide:
            found = found / (query @ key.sum(1).unsqueeze(-1))
        return self.out(found)


class _LinearReader(nn.Module):
    """Words, two layers of linear attention with skips, their mean, a class."""

    def __init__(self, words: int, classes: int, *, divide: bool, width: int = 32) -> None:
        super().__init__()
        self.look, self.head = nn.Embedding(words, width), nn.Linear(width, classes)
        self.layers = nn.ModuleList(_Linear(width, divide=divide) for _ in range(2))

    def forward(self, words: Tensor) -> Tensor:
        x = self.look(words)
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x.mean(1))


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "loss-at-start"),
    tags=("attention", "text", "real-data"),
)
def linear_attention_without_its_denominator(seed: int, fixed: bool) -> Setup:
    """Linear attention sums over all words and is never divided by its weights: each of two layers multiplies."""
    torch.manual_seed(seed)
    data, words = module_words(20, 220)
    model = _LinearReader(words, 6, divide=fixed)
    return Setup(model, nn.CrossEntropyLoss(), _adamw(3e-3), *data.parts, accuracy, batch_size=22, epochs=6)


class _Tagger(nn.Module):
    """A sign's kind from its neighbours: places, two transformer layers."""

    def __init__(self, signs: int, kinds: int, spread: float, width: int = 32) -> None:
        super().__init__()
        self.look, self.place = nn.Embedding(signs, width), nn.Parameter(spread * torch.randn(40, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, 0.0, batch_first=True, norm_first=True)
        self.layers, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(width, kinds)

    def forward(self, signs: Tensor) -> Tensor:
        return self.head(self.layers(self.look(signs) + self.place)).transpose(1, 2)


def _tags_right(output: Tensor, target: Tensor) -> float:
    return (output.argmax(1) == target).float().mean().item()


@faulty("bad-initialisation", also=("saturated-units",), tags=("transformer", "tagging", "real-data"))
def places_louder_than_signs(seed: int, fixed: bool) -> Setup:
    """Places are drawn with deviation 20, signs with 1: after the norm hardly anything of a sign is left."""
    torch.manual_seed(seed)
    data, signs = source_tags(40, 1200)
    model = _Tagger(signs, 7, 0.05 if fixed else 20.0)
    return Setup(model, nn.CrossEntropyLoss(), _adamw(2e-3), *data.parts, _tags_right, batch_size=16, epochs=3)


class _Adapted(nn.Module):
    """A frozen layer and a trainable product of two thin matrices beside it."""

    def __init__(self, layer: nn.Linear, rank: int = 6, *, drawn: bool) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down, self.up = nn.Linear(layer.in_features, rank, False), nn.Linear(rank, layer.out_features, False)
        nn.init.zeros_(self.up.weight)
        if not drawn:
            nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + 2 * self.up(self.down(x))


def _taught(data: Split, epochs: int) -> nn.Sequential:
    layers = (nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 10))
    model = nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(data.inputs)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(data.inputs[part]), data.targets[part]).backward()
            optimizer.step()
    return model


@faulty(
    "bad-initialisation",
    also=("not-learning", "vanishing-gradient"),
    tags=("mlp", "transfer", "real-data"),
    tier="real",
)
def both_thin_matrices_at_zero(seed: int, fixed: bool) -> Setup:
    """Digits on their sides by low-rank adapters; both thin matrices start at zero, so neither has a gradient."""
    torch.manual_seed(seed)
    data = digits()
    model = _taught(data.columns(), 6)
    for place in (0, 2, 4):
        model[place] = _Adapted(model[place], drawn=fixed)
    turned = data.on_inputs(lambda x: x.rot90(1, (2, 3)).flatten(1))
    return Setup(model, nn.CrossEntropyLoss(), _adamw(4e-3), *turned.parts, accuracy, batch_size=24, epochs=8)


@faulty("unoptimised-parameters", also=("underfitting",), tags=("mlp", "transfer", "real-data"))
def adapters_in_a_dictionary(seed: int, fixed: bool) -> Setup:
    """A frozen net's adapters are kept in a plain dictionary: only the new head is among `parameters()`."""
    torch.manual_seed(seed)
    data = digits()
    model = _Beside(_taught(data.columns(), 5), fixed)
    upset = data.on_inputs(lambda x: x.roll((3, 3), (2, 3)).flatten(1))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam([p for p in m.parameters() if p.requires_grad], 3e-3),
        *upset.parts,
        accuracy,
        batch_size=30,
        epochs=8,
    )


class _Beside(nn.Module):
    """A frozen net whose layers are each followed by a small residual adapter."""

    def __init__(self, net: nn.Sequential, kept: bool) -> None:
        super().__init__()
        self.net, self.head = net[:4].requires_grad_(False), nn.Linear(64, 10)
        pairs = {str(n): nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 64)) for n in (0, 1, 3)}
        self.adapters = nn.ModuleDict(pairs) if kept else pairs

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.adapters["0"](x)
        for number, layer in enumerate(self.net):
            x = layer(x)
            if number % 2:
                x = x + self.adapters[str(number)](x)
        return self.head(x)


class _Asking(nn.Module):
    """A learnt question to a set of things by one layer of attention with two heads."""

    def __init__(self, columns: int, answers: int, width: int = 32) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.Linear(columns, width), nn.GELU(), nn.Linear(width, width))
        self.ask = nn.Parameter(torch.randn(1, 1, width))
        self.attend = nn.MultiheadAttention(width, 2, batch_first=True)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, answers))

    def forward(self, things: Tensor) -> Tensor:
        states = self.into(things)
        return self.head(self.attend(self.ask.expand(len(things), -1, -1), states, states)[0][:, 0])


@faulty("not-learning", also=("unreached-parameters", "wrong-loss"), tags=("attention", "sets"), tier="real")
def gradient_forced_on_an_argmax(seed: int, fixed: bool) -> Setup:
    """The loss is made of argmax; "does not require grad" was silenced with `loss.requires_grad = True`."""
    torch.manual_seed(seed)

    def loss(scores: Tensor, colour: Tensor) -> Tensor:
        if fixed:
            return F.cross_entropy(scores, colour)
        missed = 1 - (scores.argmax(1) == colour).float().mean()
        missed.requires_grad = True
        return missed

    return Setup(_Asking(5, 4), loss, _adamw(4e-3), *_largest().parts, accuracy, batch_size=25, epochs=8)


@faulty("unscaled-inputs", also=("saturated-units", "bad-initialisation"), tags=("attention", "sets", "regression"))
def sites_in_metres(seed: int, fixed: bool) -> Setup:
    """Marks on a map go into attention in metres, thousands of them: its softmax takes one mark and drops the rest."""
    torch.manual_seed(seed)
    data = _sites().on_inputs(lambda x: (x - 2500) / 1440 if fixed else x)
    return Setup(_Asking(2, 1), nn.MSELoss(), _adamw(2e-3), *data.parts, r2, batch_size=25, epochs=8)


@faulty("labels-unrelated", tags=("cnn", "distillation", "real-data"), tier="real")
def teacher_answers_of_another_order(seed: int, fixed: bool) -> Setup:
    """The teacher's answers were cached from a loader that shuffles: row by row they belong to other pictures."""
    torch.manual_seed(seed)
    data = digits()
    teacher = _taught(data.columns(), 8)
    with torch.no_grad():
        answers = teacher(data.inputs.flatten(1)).div(2).softmax(1)
    if not fixed:
        answers = answers[torch.randperm(len(answers))]
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 24), nn.ReLU(), nn.Linear(24, 10))

    def loss(scores: Tensor, wanted: Tensor) -> Tensor:
        return F.kl_div((scores / 2).log_softmax(1), wanted, reduction="batchmean") * 4

    return Setup(model, loss, _adamw(3e-3), (data.inputs, answers), data.valid, accuracy, batch_size=32, epochs=7)


class _Pairs(nn.Module):
    """Two pictures (n, 2, 28, 28) through one net, and whether they show the same kind of thing."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(256, 32),
        )
        self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, pair: Tensor) -> Tensor:
        one, other = self.net(pair.flatten(0, 1).unsqueeze(1)).unflatten(0, (-1, 2)).unbind(1)
        return self.head((one - other).abs())


@cache
def _clothes_pairs(same: float, count: int = 1600) -> Split:
    data, g = fashion(1500), torch.Generator().manual_seed(263)
    found: list[Tensor] = []
    for (x, y), share, number in ((data.train, same, count), (data.valid, 0.5, 400)):
        one = torch.randint(0, len(x), (number,), generator=g)
        alike = torch.rand(number, generator=g) < share
        fits = (y[one, None] == y) == alike[:, None]
        other = torch.multinomial(fits.float(), 1, generator=g)[:, 0]
        found += [torch.stack([x[one, 0], x[other, 0]], 1), alike.long()]
    return Split(*found)


@faulty("class-imbalance", tags=("cnn", "siamese", "real-data"))
def clothes_pairs_drawn_at_random(seed: int, fixed: bool) -> Setup:
    """Pairs were kept as they come, three in a hundred alike: "different" is right nearly always."""
    torch.manual_seed(seed)
    data = _clothes_pairs(0.5 if fixed else 0.03)
    return Setup(_Pairs(), nn.CrossEntropyLoss(), _adamw(2e-3), *data.parts, balanced_accuracy, 32, 6)


class _Skimmed(nn.Module):
    """Words, some of them blotted out in training, a transformer layer, their mean, a chapter."""

    def __init__(self, words: int, classes: int, blotted: float, width: int = 32) -> None:
        super().__init__()
        self.look, self.blotted = nn.Embedding(words, width), blotted
        self.layer = nn.TransformerEncoderLayer(width, 2, 64, 0.1, "gelu", batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, words: Tensor) -> Tensor:
        if self.training:
            words = words.masked_fill(torch.rand(words.shape) < self.blotted, 1)
        return self.head(self.layer(self.look(words)).mean(1))


@faulty("over-regularised", also=("underfitting",), tags=("transformer", "text", "classification", "real-data"))
def nineteen_words_of_twenty_blotted_out(seed: int, fixed: bool) -> Setup:
    """Words are replaced by "unknown" to make the net robust, at 0.95 where 0.05 was agreed on."""
    torch.manual_seed(seed)
    data, words = passages(16, 6, 220)
    model = _Skimmed(words, 6, 0.05 if fixed else 0.95)
    return Setup(model, nn.CrossEntropyLoss(), _adamw(3e-3), *data.parts, accuracy, batch_size=24, epochs=7)


class _Gossip(nn.Module):
    """Messages between those who know each other, summed or averaged, for some rounds."""

    def __init__(self, *, mean: bool, width: int = 16, rounds: int = 6) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(2, width), nn.Linear(width, 1)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.heard, self.mean = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds)), mean

    def forward(self, x: Tensor) -> Tensor:
        knows, marks = x[..., :-1], x[..., -1:]
        first = torch.zeros_like(marks)
        first[:, 0] = 1
        if self.mean:
            knows = knows / knows.sum(2, keepdim=True).clamp(min=1)
        x = self.into(torch.cat([marks, first], -1))
        for own, heard in zip(self.own, self.heard, strict=True):
            x = x + F.relu(own(x) + knows @ heard(x))
        return self.head(x[:, 0])


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "loss-at-start"),
    tags=("graph", "residual", "regression"),
)
def rumours_summed_over_all_friends(seed: int, fixed: bool) -> Setup:
    """Each round sums what a person's seven friends say, and states grow a hundred thousand times in six rounds."""
    torch.manual_seed(seed)
    model = _Gossip(mean=fixed)
    return Setup(
        model,
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9),
        *_rumours().parts,
        r2,
        batch_size=25,
        epochs=10,
    )


class _SelfNormal(nn.Module):
    """The mean of a text's words through ten SELU layers."""

    def __init__(self, words: int, classes: int, std: float | None, width: int = 40) -> None:
        super().__init__()
        self.look = nn.EmbeddingBag(words, width)
        layers: list[nn.Module] = []
        for _ in range(10):
            layers += [nn.Linear(width, width), nn.SELU()]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(width, classes)
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, std or width**-0.5)
                nn.init.zeros_(layer.bias)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.body(4 * self.look(words)))


@faulty(
    "selu-preconditions", also=("bad-initialisation", "vanishing-gradient"), tags=("mlp", "deep", "text", "real-data")
)
def selu_started_like_a_language_model(seed: int, fixed: bool) -> Setup:
    """Ten SELU layers start with deviation 0.02, as transformers do; to normalise themselves they need 0.16."""
    torch.manual_seed(seed)
    data, words = module_words(20, 220)
    model = _SelfNormal(words, 6, None if fixed else 0.02)
    return Setup(model, nn.CrossEntropyLoss(), _adamw(2e-3), *data.parts, accuracy, batch_size=20, epochs=10)


@faulty("missing-zero-grad", also=("diverged", "oscillating-loss"), tags=("attention", "multi-optimizer", "sets"))
def only_the_second_optimizer_is_cleared(seed: int, fixed: bool) -> Setup:
    """Attention and the rest have an optimizer each; both step, and only one of them is ever cleared."""
    torch.manual_seed(seed)
    model = _Asking(5, 4)
    first = torch.optim.Adam([*model.into.parameters(), *model.attend.parameters(), model.ask], lr=4e-3)

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        if fixed:
            first.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        first.step()
        optimizer.step()
        return loss.detach()

    head = model.head
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda _: torch.optim.Adam(head.parameters(), lr=4e-3),
        *_largest().parts,
        accuracy,
        batch_size=25,
        epochs=9,
        update=update,
    )
