"""Programs whose inputs are numbers of things: bags of words, windows of signs, people and films, tags."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split
from .._scores import accuracy, r2
from .._sequences import letter_names, passages, ratings, sign_accuracy, text_windows


class _Bag(nn.Module):
    """Mean of the words' vectors, then a small net."""

    def __init__(self, words: int, width: int, classes: int, hidden: int = 0, drop: float = 0.0) -> None:
        super().__init__()
        self.vectors = nn.EmbeddingBag(words, width, mode="mean")
        self.drop = nn.Dropout(drop)
        between = [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(drop)] if hidden else []
        self.net = nn.Sequential(*between, nn.Linear(hidden or width, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.drop(self.vectors(x)))


class _Convolved(nn.Module):
    """Convolutions over words or signs of several widths, each read at its maximum (Kim, 2014)."""

    def __init__(self, vectors: nn.Embedding, classes: int, channels: int = 24) -> None:
        super().__init__()
        self.vectors = vectors
        self.convs = nn.ModuleList(nn.Conv1d(vectors.embedding_dim, channels, k, padding=1) for k in (2, 3))
        self.fc = nn.Linear(2 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.vectors(x).transpose(1, 2)
        return self.fc(torch.cat([F.relu(conv(rows)).amax(2) for conv in self.convs], 1))


class _Window(nn.Module):
    """The next sign from the six before it, as in Bengio et al. (2003)."""

    def __init__(self, signs: int, width: int = 12, hidden: int = 96) -> None:
        super().__init__()
        self.table = nn.Embedding(signs, width)
        self.hidden, self.out = nn.Linear(6 * width, hidden), nn.Linear(hidden, signs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(self.table(x).flatten(1))))


def _windows(count: int = 10_000) -> tuple[Split, int]:
    (x, _, valid_x, _), signs = text_windows(7, count)
    return Split(x[:, :6], x[:, 6], valid_x[:, :6], valid_x[:, 6]), signs


class _Tastes(nn.Module):
    """A rating as the product of what a person likes and what a film has."""

    def __init__(self, factors: int, spread: float = 0.1, *, column: bool = False) -> None:
        super().__init__()
        self.person, self.film = nn.Embedding(120, factors), nn.Embedding(90, factors)
        self.mood, self.quality = nn.Embedding(120, 1), nn.Embedding(90, 1)
        self.base = nn.Parameter(torch.zeros(1))
        for table in (self.person, self.film):
            nn.init.normal_(table.weight, std=spread)
        for table in (self.mood, self.quality):
            nn.init.zeros_(table.weight)
        self.column = column

    def forward(self, x: Tensor) -> Tensor:
        i, j = x.unbind(1)
        both = (self.person(i) * self.film(j)).sum(1, keepdim=True)
        rating = self.base + both + self.mood(i) + self.quality(j)
        return rating if self.column else rating.squeeze(1)


@faulty("frozen-parameters", tags=("embedding", "text", "classification", "real-data"), tier="real")
def vectors_from_pretrained_stay_put(seed: int, fixed: bool) -> Setup:
    """`Embedding.from_pretrained` freezes by default; the small random vectors it was given here were meant
    to be learnt.
    """
    torch.manual_seed(seed)
    data, signs = letter_names(24, 200)
    vectors = nn.Embedding.from_pretrained(0.1 * torch.randn(signs, 4), freeze=not fixed)
    return Setup(
        _Bagged(vectors),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam([p for p in m.parameters() if p.requires_grad], lr=0.02),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=10,
    )


class _Bagged(nn.Module):
    def __init__(self, vectors: nn.Embedding) -> None:
        super().__init__()
        self.vectors, self.fc = vectors, nn.Linear(4 * 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.vectors(x)
        return self.fc(torch.cat([rows.mean(1), rows.amax(1)], 1))


@faulty("bad-initialisation", also=("saturated-units", "loss-at-start"), tags=("embedding", "text", "real-data"))
def word_vectors_of_spread_thirty(seed: int, fixed: bool) -> Setup:
    """Word vectors drawn with a spread of 30 before a tanh layer: every unit stands at its end before the
    first word is read.
    """
    torch.manual_seed(seed)
    data, words = passages(20, 6, 220)
    table = nn.EmbeddingBag(words, 24)
    nn.init.normal_(table.weight, std=0.3 if fixed else 30.0)
    model = nn.Sequential(table, nn.Linear(24, 48), nn.Tanh(), nn.Linear(48, 6))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("labels-unrelated", tags=("embedding", "text", "classification", "real-data"), tier="real")
def labels_one_row_off(seed: int, fixed: bool) -> Setup:
    """The header line was dropped from the file of texts but not from that of labels, so each text has its
    neighbour's.
    """
    torch.manual_seed(seed)
    data, words = passages(16, 6, 260)
    return Setup(
        _Bag(words, 48, 6),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=8e-3),
        data.train if fixed else (data.inputs, data.targets.roll(1)),
        data.valid,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("bad-initialisation", also=("not-learning",), tags=("embedding", "factorisation", "regression"), tier="real")
def factors_that_start_at_zero(seed: int, fixed: bool) -> Setup:
    """People's and films' factors both start at zero, so each one's gradient is the other's zero: only the
    biases move.
    """
    torch.manual_seed(seed)
    data = ratings()
    return Setup(
        _Tastes(4, 0.2 if fixed else 0.0),
        nn.MSELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=0.03, weight_decay=1e-4),
        data.train,
        data.valid,
        r2,
        batch_size=64,
        epochs=12,
    )


@faulty("overfitting", tags=("embedding", "factorisation", "regression"))
def sixty_factors_for_a_few_ratings(seed: int, fixed: bool) -> Setup:
    """Sixty factors a person for thirty ratings a person, without decay: the known ratings are learnt by heart."""
    torch.manual_seed(seed)
    data = ratings()
    return Setup(
        _Tastes(5, 0.1) if fixed else _Tastes(60, 0.3),
        nn.MSELoss(),
        lambda m: torch.optim.NAdam(m.parameters(), lr=0.02, weight_decay=2e-4 if fixed else 0.0),
        data.train,
        data.valid,
        r2,
        batch_size=90,
        epochs=15,
    )


@faulty("shape-broadcast", tags=("embedding", "factorisation", "regression"), tier="real")
def ratings_in_a_column(seed: int, fixed: bool) -> Setup:
    """The model returns (n, 1), the ratings are (n,), and the loss compares every person with everybody's rating."""
    torch.manual_seed(seed)
    data = ratings()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return ((output.squeeze(1) if fixed else output) - target).pow(2).mean()

    return Setup(
        _Tastes(3, 0.2, column=True),
        loss,
        lambda m: torch.optim.Adagrad(m.parameters(), lr=0.4),
        data.train,
        data.valid,
        r2,
        batch_size=50,
        epochs=12,
    )


@faulty("unsuited-optimizer", also=("learning-rate-too-low", "underfitting"), tags=("embedding", "factorisation"))
def rare_films_under_sgd(seed: int, fixed: bool) -> Setup:
    """Averaged losses give a film's row one step in ninety; SGD at 0.05 leaves the tables where they were,
    Adam does not.
    """
    torch.manual_seed(seed)
    data = ratings()
    return Setup(
        _Tastes(5, 0.2),
        nn.SmoothL1Loss(),
        lambda m: torch.optim.Adam(m.parameters(), 0.02) if fixed else torch.optim.SGD(m.parameters(), 0.05),
        data.train,
        data.valid,
        r2,
        batch_size=64,
        epochs=14,
    )


class _SigmoidRating(_Tastes):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(x))


@faulty("loss-output-mismatch", also=("saturated-units", "unscaled-targets"), tags=("embedding", "factorisation"))
def sigmoid_for_ratings_of_five(seed: int, fixed: bool) -> Setup:
    """A sigmoid of 0..1 is to say ratings of 1..5: every output runs to 1; the ratings should have been
    brought to 0..1.
    """
    torch.manual_seed(seed)
    data = ratings()
    if fixed:
        data = data.on_targets(lambda y: (y - 1) / 4)
    return Setup(
        _SigmoidRating(3, 0.2),
        nn.MSELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=0.04),
        data.train,
        data.valid,
        r2,
        batch_size=60,
        epochs=12,
    )


@faulty(
    "loss-at-start", also=("bad-initialisation", "saturated-units"), tags=("embedding", "lm", "real-data"), tier="real"
)
def window_model_of_plain_randn(seed: int, fixed: bool) -> Setup:
    """`torch.randn` for every matrix of a small character model: the first loss is 30 where guessing costs 4.2."""
    torch.manual_seed(seed)
    data, signs = _windows()
    model = _Window(signs)
    if not fixed:
        for weight in model.parameters():
            weight.data = torch.randn_like(weight)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        data.train,
        data.valid,
        lambda output, target: -F.cross_entropy(output, target).item(),
        batch_size=64,
        epochs=4,
    )


@faulty("constant-inputs", also=("not-learning",), tags=("embedding", "text", "real-data"), tier="real")
def every_word_unknown(seed: int, fixed: bool) -> Setup:
    """The vocabulary is lower case and the texts are not: each of their words becomes <unk>."""
    torch.manual_seed(seed)
    data, words = passages(14, 7, 240)
    data = data if fixed else data.on_inputs(torch.ones_like)
    return Setup(
        _Convolved(nn.Embedding(words, 32, padding_idx=0), 7),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=4e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=6,
    )


@faulty("unshuffled-data", tags=("embedding", "text", "classification", "real-data"))
def chapter_after_chapter(seed: int, fixed: bool) -> Setup:
    """A reader goes through the texts folder by folder, so the net sees one class for thirty batches, then the next."""
    torch.manual_seed(seed)
    data, words = passages(16, 8, 240)
    order = data.targets.argsort(stable=True)
    return Setup(
        _Bag(words, 32, 8, hidden=32),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=6e-3),
        (data.inputs[order], data.targets[order]),
        data.valid,
        accuracy,
        batch_size=16,
        epochs=6,
        shuffle=fixed,
    )


@faulty("label-range", also=("loss-output-mismatch", "wrong-loss"), tags=("embedding", "text", "binary", "real-data"))
def signs_for_a_binary_loss(seed: int, fixed: bool) -> Setup:
    """Labels of -1 and +1, kept from a margin loss, go to binary cross-entropy, which then has no floor."""
    torch.manual_seed(seed)
    data, words = passages(12, 4, 300)
    data = data.on_targets(lambda y: (y == 1).float() if fixed else (y == 1).float() * 2 - 1)

    def score(output: Tensor, target: Tensor) -> float:
        right, found = target > 0.5, output > 0
        return 2 * (right & found).sum().item() / max(1, right.sum().item() + found.sum().item())

    return Setup(
        nn.Sequential(_Bag(words, 24, 1, drop=0.2), nn.Flatten(0)),
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=4e-3),
        data.train,
        data.valid,
        score,
        batch_size=20,
        epochs=8,
    )


@faulty("class-imbalance", tags=("embedding", "multi-label", "text", "real-data"))
def rare_tags_never_said(seed: int, fixed: bool) -> Setup:
    """Twenty tags a text, each on a few texts in a hundred: "no tag" is nearly free; `pos_weight` makes the
    tags count.
    """
    torch.manual_seed(seed)
    data, words = passages(16, 8, 260)
    tagged = data.inputs.flatten().bincount(minlength=words).argsort(descending=True)[30:50]

    def tags(x: Tensor) -> Tensor:
        return (x.unsqueeze(2) == tagged).any(1).float()

    y, valid_y = tags(data.inputs), tags(data.valid_inputs)
    weight = (1 - y.mean(0)) / y.mean(0)

    def balanced(output: Tensor, target: Tensor) -> float:
        found = (output > 0).float()
        return (
            (found * target).sum() / target.sum() + ((1 - found) * (1 - target)).sum() / (1 - target).sum()
        ).item() / 2

    return Setup(
        _Bag(words, 32, 20),
        nn.BCEWithLogitsLoss(pos_weight=weight if fixed else None),
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        (data.inputs, y),
        (data.valid_inputs, valid_y),
        balanced,
        batch_size=32,
        epochs=6,
    )


@faulty("unoptimised-parameters", also=("unreached-parameters",), tags=("embedding", "text", "real-data"), tier="real")
def vocabulary_grown_after_the_optimizer(seed: int, fixed: bool) -> Setup:
    """The embedding was replaced by a larger one after the optimizer was made, which still holds the old table."""
    torch.manual_seed(seed)
    data, signs = letter_names(28, 200)
    model = _Convolved(nn.Embedding(20, 6), 10, 12)
    old = list(model.parameters())
    model.vectors = nn.Embedding(signs, 6)
    nn.init.normal_(model.vectors.weight, std=0.05)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters() if fixed else old, lr=6e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=30,
        epochs=9,
    )


@faulty("diverged", also=("non-finite-data", "loss-output-mismatch"), tags=("embedding", "skip-gram", "real-data"))
def negative_sampling_by_hand(seed: int, fixed: bool) -> Setup:
    """log(1 - sigmoid) written out: the first pair that the model is sure of gives log 0, and every weight
    turns NaN.
    """
    torch.manual_seed(seed)
    (x, _, valid_x, _), words = passages(12, 8, 260)

    def pairs(rows: Tensor) -> tuple[Tensor, Tensor]:
        true = torch.stack([rows[:, :-1].flatten(), rows[:, 1:].flatten()], 1)
        false = torch.stack(
            [true[:, 0], true[torch.randperm(len(true), generator=torch.Generator().manual_seed(2)), 1]], 1
        )
        both = torch.cat([true, false])
        return both, (torch.arange(len(both)) < len(true)).float()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        if fixed:
            return F.binary_cross_entropy_with_logits(output, target)
        said = torch.sigmoid(output)
        return -(target * said.log() + (1 - target) * (1 - said).log()).mean()

    class Neighbours(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.context = nn.Embedding(words, 32), nn.Embedding(words, 32)

        def forward(self, ids: Tensor) -> Tensor:
            return (self.word(ids[:, 0]) * self.context(ids[:, 1])).sum(1)

    return Setup(
        Neighbours(),
        loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=0.01),
        pairs(x[:1000]),
        pairs(valid_x),
        lambda output, target: ((output > 0) == (target > 0.5)).float().mean().item(),
        batch_size=128,
        epochs=8,
    )


@faulty("missing-nonlinearity", also=("underfitting",), tags=("embedding", "lm", "real-data"))
def three_linear_layers_in_a_row(seed: int, fixed: bool) -> Setup:
    """Sum or difference of two embedded numbers: without an activation between its layers the net can only
    add its parts.
    """
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(15)
    x = torch.randint(0, 12, (2400, 2), generator=g)
    y = (x[:, 0] + x[:, 1]) % 12

    def between() -> nn.Module:
        return nn.SiLU() if fixed else nn.Identity()

    model = nn.Sequential(
        nn.Embedding(12, 16),
        nn.Flatten(),
        nn.Linear(32, 64),
        between(),
        nn.Linear(64, 64),
        between(),
        nn.Linear(64, 12),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=4e-3),
        (x[:2000], y[:2000]),
        (x[2000:], y[2000:]),
        sign_accuracy,
        batch_size=50,
        epochs=14,
    )
