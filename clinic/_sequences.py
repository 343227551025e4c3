"""More data of the clinic: texts, series, ratings and pictures with masks; the same at every call."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from functools import cache
from pydoc_data.topics import topics

import torch
from sklearn import datasets
from torch import Tensor

from ._data import Split, cut

SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "ETHIOPIC", "YI", "CUNEIFORM", "CANADIAN", "HANGUL", "LINEAR")


@cache
def text_windows(length: int = 32, count: int = 2000, start: int = 20_000) -> tuple[Split, int]:
    """Windows of Python's language reference: signs and next signs (n, length) long; and how many signs there are."""
    text = "\n".join(words for _, words in sorted(topics.items())).lower()
    text = " ".join("".join(sign if " " <= sign <= "~" else " " for sign in text).split())
    alphabet = {sign: number for number, sign in enumerate(sorted(set(text)))}
    codes = torch.tensor([alphabet[sign] for sign in text[start : start + count * length + 1]])
    return cut(codes[:-1].view(count, length), codes[1:].view(count, length), 0.2), len(alphabet)


@cache
def passages(words: int = 16, chapters: int = 8, each: int = 260) -> tuple[Split, int]:
    """Passages of its longest chapters: words (n, words) long, chapter (n,) long; and the vocabulary's size."""
    longest = sorted(topics, key=lambda name: -len(topics[name]))[:chapters]
    split = [re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", topics[name].lower()) for name in longest]
    common = Counter(word for chapter in split for word in chapter).most_common(1500)
    number = {word: place + 2 for place, (word, _) in enumerate(common)}  # 0 is padding, 1 an unknown word
    x, y = [], []
    for label, chapter in enumerate(split):
        for begin in range(0, min(len(chapter), each * words) - words, words):
            x.append([number.get(word, 1) for word in chapter[begin : begin + words]])
            y.append(label)
    return cut(torch.tensor(x), torch.tensor(y)), len(number) + 2


@cache
def letter_names(length: int = 32, each: int = 220) -> tuple[Split, int]:
    """Unicode names less their first word: signs (n, length), 0 behind, the script (n,); and the signs' number."""
    found: dict[str, list[str]] = {script: [] for script in SCRIPTS}
    for code in range(0x1F000):
        script, _, rest = unicodedata.name(chr(code), "").partition(" ")
        if script in found and 2 < len(rest) <= length:
            found[script].append(rest)
    pairs = [(name, label) for label, script in enumerate(SCRIPTS) for name in found[script][:each]]
    alphabet = {sign: place + 1 for place, sign in enumerate(sorted({sign for name, _ in pairs for sign in name}))}
    x = torch.zeros(len(pairs), length, dtype=torch.long)
    for row, (name, _) in enumerate(pairs):
        x[row, : len(name)] = torch.tensor([alphabet[sign] for sign in name])
    return cut(x, torch.tensor([label for _, label in pairs])), len(alphabet) + 1


def _series(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    hour = torch.arange(count, dtype=torch.float32)
    day, week = torch.sin(hour * math.tau / 24), torch.sin(hour * math.tau / 168)
    return 30_000 + 5_000 * day + 2_500 * week + 1_500 * day * week + 500 * torch.randn(count, generator=generator)


@cache
def consumption(length: int = 24, count: int = 1400) -> Split:
    """A made-up hourly series around 30,000: the last `length` hours (n, length, 1) and the next hour (n, 1)."""
    series = _series(count + length)
    return cut(series.unfold(0, length, 1)[:count].unsqueeze(-1), series[length:].unsqueeze(1))


@cache
def scaled_consumption(length: int = 24, count: int = 1400) -> Split:
    """The same series at mean 0 and deviation 1."""
    data = consumption(length, count)
    mean, std = data.targets.mean(), data.targets.std()
    return data.on_inputs(lambda x: (x - mean) / std).on_targets(lambda y: (y - mean) / std)


@cache
def adding_problem(length: int = 30, count: int = 2400) -> Split:
    """Two marked numbers of a sequence (n, length, 2) and their sum (n, 1) (Hochreiter and Schmidhuber, 1997)."""
    generator = torch.Generator().manual_seed(4)
    values, marks, half = torch.rand(count, length, generator=generator), torch.zeros(count, length), length // 2
    marks.scatter_(1, torch.randint(0, half, (count, 1), generator=generator), 1.0)
    marks.scatter_(1, torch.randint(half, length, (count, 1), generator=generator), 1.0)
    return cut(torch.stack([values, marks], -1), (values * marks).sum(1, keepdim=True))


@cache
def ratings(people: int = 120, films: int = 90, known: int = 3600) -> Split:
    """Made-up ratings of 1 to 5: (person, film) (n, 2) long and the rating (n,); three tastes, biases and noise."""
    generator = torch.Generator().manual_seed(9)
    taste, kind = torch.randn(people, 3, generator=generator), torch.randn(films, 3, generator=generator)
    mood, quality = torch.randn(people, 1, generator=generator), torch.randn(1, films, generator=generator)
    noise = 0.2 * torch.randn(people, films, generator=generator)
    score = (3.2 + 0.45 * taste @ kind.T + 0.3 * mood + 0.5 * quality + noise).clamp(1, 5)
    chosen = torch.randperm(people * films, generator=generator)[:known]
    where = torch.stack([chosen // films, chosen % films], 1)
    return cut(where, score[where[:, 0], where[:, 1]])


@cache
def photo_patches(size: int = 16, count: int = 1200) -> Split:
    """Patches (n, 3, size, size) in 0..1 of scikit-learn's two photographs, each its own target."""
    generator = torch.Generator().manual_seed(6)
    photos = [
        torch.tensor(datasets.load_sample_image(name)).permute(2, 0, 1) / 255 for name in ("china.jpg", "flower.jpg")
    ]
    rows = torch.randint(0, 427 - size, (count,), generator=generator).tolist()
    columns = torch.randint(0, 640 - size, (count,), generator=generator).tolist()
    places = enumerate(zip(rows, columns, strict=True))
    x = torch.stack([photos[n % 2][:, row : row + size, column : column + size] for n, (row, column) in places])
    return cut(x, x)


@cache
def discs(size: int = 24, count: int = 700, smallest: int = 2, largest: int = 5) -> Split:
    """Noisy pictures (n, 1, size, size) of a disc and two strokes, and the disc's mask of 0 and 1."""
    generator = torch.Generator().manual_seed(8)
    grid = torch.arange(size).float()
    x, y = torch.zeros(count, 1, size, size), torch.zeros(count, 1, size, size)
    for n in range(count):
        row, column = torch.randint(largest, size - largest, (2,), generator=generator).tolist()
        radius = int(torch.randint(smallest, largest + 1, (1,), generator=generator))
        y[n, 0] = ((grid[:, None] - row) ** 2 + (grid[None] - column) ** 2 <= radius**2).float()
        across, down = torch.randint(0, size, (2,), generator=generator).tolist()
        x[n, 0, across] = 0.8
        x[n, 0, :, down] = 0.8
    x = (x + y).clamp(max=1.0) + 0.25 * torch.randn(x.shape, generator=generator)
    return cut(x, y)


def sign_accuracy(output: Tensor, target: Tensor) -> float:
    """Share of positions whose most likely class, in the last dimension, is the wanted one."""
    return (output.argmax(-1) == target).float().mean().item()


def overlap(output: Tensor, target: Tensor) -> float:
    """Intersection over union of the positive outputs with the mask's positive part."""
    found, wanted = output.reshape(target.shape) > 0, target > target.max() / 2
    return ((found & wanted).sum() / (found | wanted).sum().clamp(min=1)).item()
