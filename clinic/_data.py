"""Data of the clinic: the same at every call, cut into a training and a validation part."""

from __future__ import annotations

import colorsys
import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from sklearn import datasets
from torch import Tensor

from latih.data import TensorExamples, load

from ._base import Pair


class Split(NamedTuple):
    """A training and a validation part; images are (n, 1, 28, 28), tables (n, columns), targets (n,)."""

    inputs: Tensor
    targets: Tensor
    valid_inputs: Tensor
    valid_targets: Tensor

    @property
    def train(self) -> Pair:
        """What the loop learns from."""
        return self.inputs, self.targets

    @property
    def valid(self) -> Pair:
        """What the score is taken on."""
        return self.valid_inputs, self.valid_targets

    @property
    def parts(self) -> tuple[Pair, Pair]:
        """The training part and the validation part, in the order in which `Setup` takes them."""
        return self.train, self.valid

    def on_inputs(self, change: Callable[[Tensor], Tensor]) -> Split:
        """The same split with `change` applied to the inputs of both parts."""
        return self._replace(inputs=change(self.inputs), valid_inputs=change(self.valid_inputs))

    def on_targets(self, change: Callable[[Tensor], Tensor]) -> Split:
        """The same split with `change` applied to the targets of both parts."""
        return self._replace(targets=change(self.targets), valid_targets=change(self.valid_targets))

    def standardised(self) -> Split:
        """Every column to mean 0 and deviation 1, as the training part has them."""
        mean, std = self.inputs.mean(0), self.inputs.std(0).clamp(min=1e-6)
        return self.on_inputs(lambda inputs: (inputs - mean) / std)

    def standardised_targets(self) -> Split:
        """Targets to mean 0 and deviation 1, as the training part has them."""
        mean, std = self.targets.mean(0), self.targets.std(0)
        return self.on_targets(lambda targets: (targets - mean) / std)

    def columns(self) -> Split:
        """Images as (n, 784) rows."""
        return self.on_inputs(lambda inputs: inputs.flatten(1))

    def first(self, count: int) -> Split:
        """The same with only the first `count` training examples."""
        return self._replace(inputs=self.inputs[:count], targets=self.targets[:count])


def cut(inputs: Tensor, targets: Tensor, share: float = 0.25) -> Split:
    """Shuffle once, with a fixed seed, and keep the last `share` of the rows for validation."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(20))
    inputs, targets, kept = inputs[order], targets[order], round(len(inputs) * (1 - share))
    return Split(inputs[:kept], targets[:kept], inputs[kept:], targets[kept:])


@cache
def fashion_raw(count: int = 2000, valid: int = 500) -> Split:
    """Fashion-MNIST with pixels from 0 to 255."""
    data = load("fashion-mini")
    assert isinstance(data.train, TensorExamples)
    assert isinstance(data.valid, TensorExamples)
    inputs, rest = data.train.inputs[:count].float(), data.valid.inputs[:valid].float()
    return Split(inputs, data.train.targets[:count], rest, data.valid.targets[:valid])


@cache
def fashion(count: int = 2000, valid: int = 500) -> Split:
    """Fashion-MNIST, standardised by the mean and deviation of its pixels."""
    return fashion_raw(count, valid).on_inputs(lambda pixels: (pixels / 255 - 0.2860) / 0.3530)


@cache
def table(name: str) -> Split:
    """One of scikit-learn's bundled tables, raw: digits, iris, wine, breast_cancer (classes), diabetes (values)."""
    inputs, targets = getattr(datasets, f"load_{name}")(
        return_X_y=True, **({"scaled": False} if name == "diabetes" else {})
    )
    wanted = torch.tensor(targets).float() if name == "diabetes" else torch.tensor(targets).long()
    return cut(torch.tensor(inputs).float(), wanted)


@cache
def digits() -> Split:
    """The 8 x 8 digits as (n, 1, 8, 8), scaled to about mean 0 and deviation 1."""
    return table("digits").on_inputs(lambda pixels: ((pixels - 4.9) / 6.0).view(-1, 1, 8, 8))


@cache
def friedman(count: int = 1500, noise: float = 0.5) -> Split:
    """Friedman's first function of 10 uniform columns, raw values of 0 to 30."""
    inputs, targets = datasets.make_friedman1(count, noise=noise, random_state=3)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).float())


@cache
def houses(count: int = 1500) -> Split:
    """Made-up houses: area in square feet, rooms, age, distance, year sold, income; price in currency units."""
    g = torch.Generator().manual_seed(7)
    area = 600 + 3400 * torch.rand(count, generator=g)
    rooms = (area / 500 + torch.randn(count, generator=g)).round().clamp(1, 9)
    age = 80 * torch.rand(count, generator=g)
    distance = 30 * torch.rand(count, generator=g) ** 2
    year = torch.randint(1995, 2024, (count,), generator=g).float()
    income = torch.exp(10.8 + 0.4 * torch.randn(count, generator=g))
    worth = 90 * area * torch.exp(-distance / 15) + 9000 * rooms - 400 * age * (rooms < 5)
    price = worth * (1 + 0.02 * (year - 1995)) + 1.2 * income + 8000 * torch.randn(count, generator=g)
    return cut(torch.stack([area, rooms, age, distance, year, income], 1), price)


@cache
def spirals(count: int = 1200) -> Split:
    """Two arms of a spiral, one class each."""
    g = torch.Generator().manual_seed(5)
    arm = torch.randint(0, 2, (count,), generator=g)
    radius = torch.rand(count, generator=g).sqrt()
    angle = 7.5 * radius + torch.pi * arm
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], 1) * 2
    return cut(points + 0.04 * torch.randn(count, 2, generator=g), arm)


@cache
def moons(count: int = 1000, noise: float = 0.15) -> Split:
    """Two interleaved half circles."""
    inputs, targets = datasets.make_moons(count, noise=noise, random_state=1)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).long()).standardised()


@cache
def rings(count: int = 1200) -> Split:
    """A disc inside a ring in 2 of 6 columns; the other columns are noise."""
    g = torch.Generator().manual_seed(9)
    inputs = torch.randn(count, 6, generator=g)
    return cut(inputs, (inputs[:, :2].norm(dim=1) > 1.18).long())


@cache
def parity(bits: int = 4, count: int = 1600) -> Split:
    """Is the number of ones among `bits` noisy bits odd?"""
    g = torch.Generator().manual_seed(11)
    signs = torch.randint(0, 2, (count, bits), generator=g)
    return cut(2.0 * signs - 1 + 0.2 * torch.randn(count, bits, generator=g), signs.sum(1) % 2)


@cache
def shapes(size: int = 20, count: int = 800) -> Split:
    """Noisy pictures (n, 1, size, size) of a square and a cross; the class of every pixel, 0 to 2 (n, size, size)."""
    g = torch.Generator().manual_seed(31)
    rows, columns = torch.arange(size)[:, None], torch.arange(size)[None]
    labels = torch.zeros(count, size, size, dtype=torch.long)
    for label in labels:
        for kind in (1, 2):
            row, column = torch.randint(3, size - 3, (2,), generator=g).tolist()
            reach = int(torch.randint(2, 4, (1,), generator=g))
            down, across = (rows - row).abs(), (columns - column).abs()
            inside = (down <= reach) & (across <= reach)
            label[inside if kind == 1 else inside & ((down == 0) | (across == 0))] = kind
    inputs = (labels > 0).float().unsqueeze(1) + 0.3 * torch.randn(count, 1, size, size, generator=g)
    return cut(inputs, labels)


@cache
def waves(length: int = 48, count: int = 1600, noise: float = 0.3) -> Split:
    """Sines, squares, triangles and saws of any pitch and phase (n, 1, length): class and cycles a window (n, 2)."""
    g = torch.Generator().manual_seed(32)
    kind, pitch = torch.randint(0, 4, (count,), generator=g), 2 + 4 * torch.rand(count, generator=g)
    turn = torch.rand(count, 1, generator=g) + pitch[:, None] * torch.arange(length) / length
    saw, sine = 2 * (turn % 1) - 1, torch.sin(2 * torch.pi * turn)
    forms = torch.stack([sine * 2**0.5, sine.sign(), (2 * saw.abs() - 1) * 3**0.5, saw * 3**0.5], 1)
    chosen = forms[torch.arange(count), kind] + noise * torch.randn(count, length, generator=g)
    return cut(chosen.unsqueeze(1), torch.stack([kind.float(), pitch], 1))


@cache
def source_tags(length: int = 40, count: int = 1600) -> tuple[Split, int]:
    """Windows of the standard library's source: signs and their kinds (n, length); and the number of signs.

    Kinds: 0 blank, 1 keyword, 2 name, 3 number, 4 string, 5 operator, 6 comment.
    """
    kinds = {tokenize.NAME: 2, tokenize.NUMBER: 3, tokenize.STRING: 4, tokenize.OP: 5, tokenize.COMMENT: 6}
    signs, tags = [], []
    for module in ("argparse", "calendar", "difflib", "fractions", "heapq", "shutil"):
        text = (Path(tokenize.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        marks = [[0] * len(line) for line in lines]
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = 1 if keyword.iskeyword(token.string) else kinds.get(token.type, 0)
            for row in range(token.start[0], token.end[0] + 1):
                if kind and row <= len(lines):
                    begin = token.start[1] if row == token.start[0] else 0
                    end = token.end[1] if row == token.end[0] else len(lines[row - 1])
                    marks[row - 1][begin:end] = [kind] * (end - begin)
        signs += [min(ord(sign), 126) if sign >= " " else 31 for line in lines for sign in line]
        tags += [mark for line in marks for mark in line]
    steps = torch.randperm(len(signs) // length, generator=torch.Generator().manual_seed(33))[:count]
    x, y = (torch.tensor(row)[: len(row) // length * length].view(-1, length)[steps] for row in (signs, tags))
    return cut(x - 31, y, 0.2), 96


@cache
def module_words(words: int = 20, each: int = 250) -> tuple[Split, int]:
    """Passages of six modules of the standard library: words (n, words), the module (n,); and the vocabulary's size."""
    texts = []
    for module in ("argparse", "calendar", "difflib", "tarfile", "turtle", "decimal"):
        name = "_pydecimal" if module == "decimal" else module
        text = (Path(tokenize.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        texts.append(re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text.lower())[: each * words])
    common = Counter(word for text in texts for word in text).most_common(1200)
    number = {word: place + 2 for place, (word, _) in enumerate(common)}  # 0 is padding, 1 an unknown word
    rows = torch.tensor([[number.get(word, 1) for word in text] for text in texts]).view(-1, words)
    return cut(rows, torch.arange(len(texts)).repeat_interleave(each)), len(number) + 2


@cache
def circuit(count: int = 1500) -> Split:
    """Friedman's second function, a circuit's impedance: 4 columns of 0.5 to 1,700, raw values (n, 1) of 0 to 1,800."""
    inputs, targets = datasets.make_friedman2(count, noise=20, random_state=4)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).float().unsqueeze(1))


@cache
def arm(count: int = 1500) -> Split:
    """Three joint angles in radians (n, 3) and the tip (n, 2) of a robot's arm, a little noisy."""
    g = torch.Generator().manual_seed(41)
    angles = 3.6 * torch.rand(count, 3, generator=g) - 1.8
    along, lengths = angles.cumsum(1), torch.tensor([1.0, 0.8, 0.5])
    tip = torch.stack([(lengths * along.cos()).sum(1), (lengths * along.sin()).sum(1)], 1)
    return cut(angles, tip + 0.03 * torch.randn(count, 2, generator=g))


@cache
def chaos(length: int = 18, ahead: int = 6, count: int = 1600) -> Split:
    """Mackey and Glass's delay equation, 0.2 to 1.4: windows (n, length) and the value `ahead` steps on (n, 1)."""
    values = [1.2 - 0.01 * (step % 5) for step in range(18)]
    while len(values) < 300 + count + length + ahead:
        late = values[-18]
        values.append(0.9 * values[-1] + 0.2 * late / (1 + late**10))
    series = torch.tensor(values[300:])
    return cut(series.unfold(0, length, 1)[:count], series[length + ahead - 1 :][:count].unsqueeze(1))


@cache
def waveforms(length: int = 32, count: int = 1600) -> Split:
    """Noisy windows (n, length) of five kinds of signal, at any phase: sine, square, sawtooth, pulses, noise."""
    g = torch.Generator().manual_seed(43)
    kind = torch.randint(0, 5, (count,), generator=g)
    pace = 2 + 2 * torch.rand(count, 1, generator=g)
    turn = (pace * torch.arange(length) / length + torch.rand(count, 1, generator=g)) % 1
    sine, pulses = (2 * torch.pi * turn).sin(), 3.0 * (turn < 0.15).float() - 0.45
    shapes = torch.stack([1.4 * sine, sine.sign(), 3.4 * turn - 1.7, pulses, torch.randn(count, length, generator=g)])
    return cut(shapes[kind, torch.arange(count)] + 0.3 * torch.randn(count, length, generator=g), kind)


@cache
def hires(count: int = 2400) -> Split:
    """Made-up hires of bicycles: hour, weekday, degrees Celsius, wind in m/s (n, 4), and how many (n, 1)."""
    g = torch.Generator().manual_seed(47)
    hour, day = torch.randint(0, 24, (count,), generator=g), torch.randint(0, 7, (count,), generator=g)
    degrees, wind = 12 + 8 * torch.randn(count, generator=g), 4 * torch.rand(count, generator=g).sqrt()
    commute = (-((hour - 8.0) ** 2) / 3).exp() + (-((hour - 17.5) ** 2) / 5).exp()
    leisure = (-((hour - 14.0) ** 2) / 18).exp()
    busy = torch.where(day < 5, 2.6 * commute + 0.5 * leisure, 2.2 * leisure + 0.1 * commute)
    rate = torch.exp(1.2 + busy - 0.004 * (degrees - 21) ** 2 - 0.12 * wind)
    columns = torch.stack([hour.float(), day.float(), degrees, wind], 1)
    return cut(columns, torch.poisson(rate, generator=g).unsqueeze(1))


@cache
def weather(count: int = 1500) -> Split:
    """Made-up stations: Kelvin, humidity in percent, hectopascal, wind in km/h (n, 4); water lost in mm (n, 1)."""
    g = torch.Generator().manual_seed(53)
    kelvin, percent = 290 + 9 * torch.randn(count, generator=g), 30 + 65 * torch.rand(count, generator=g)
    pressure, wind = 1013 + 8 * torch.randn(count, generator=g), 2 + 38 * torch.rand(count, generator=g)
    celsius = kelvin - 273.15
    full = 0.611 * torch.exp(17.27 * celsius / (celsius + 237.3))
    lost = full * (1 - percent / 100) * (1 + 0.06 * wind) + 0.05 * (1013 - pressure).clamp(min=0)
    columns = torch.stack([kelvin, percent, pressure, wind], 1)
    return cut(columns, (lost + 0.1 * torch.randn(count, generator=g)).unsqueeze(1))


@cache
def photo_points(size: int = 56) -> Split:
    """Places (n, 2) in -1..1 of a photograph of a temple and how bright it is there (n, 1), standardised."""
    grey = torch.tensor(datasets.load_sample_image("china.jpg")).float().mean(2)[None, None]
    small = torch.nn.functional.interpolate(grey, (size, size), mode="area").flatten()
    side = torch.linspace(-1, 1, size)
    return cut(torch.cartesian_prod(side, side), ((small - small.mean()) / small.std()).unsqueeze(1))


@cache
def hastie(count: int = 1800, odds: float = 0.5) -> Split:
    """Ten normal columns; class 1 where their squares sum to more than all but a share `odds` of rows do."""
    g = torch.Generator().manual_seed(59)
    inputs = torch.randn(count, 10, generator=g)
    length = inputs.square().sum(1)
    return cut(inputs, (length > length.quantile(1 - odds)).long())


@cache
def purchases(people: int = 90, goods: int = 70, each: int = 30) -> Split:
    """Person, a good that he bought, one that he did not (n, 3); validation asks of other goods. Targets are ones."""
    g = torch.Generator().manual_seed(61)
    taste, kind = torch.randn(people, 3, generator=g), torch.randn(goods, 3, generator=g)
    wish = taste @ kind.T + 0.4 * torch.randn(people, goods, generator=g)
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    for person in range(people):
        ranks = wish[person].argsort(descending=True)
        bought, left = ranks[: goods // 3], ranks[goods // 3 :]
        bought, left = (part[torch.randperm(len(part), generator=g)] for part in (bought, left))
        parts = ((bought[:16], left[:32]), (bought[16:], left[32:]))
        for found, (yes, no) in zip(rows, parts, strict=True):
            first = yes[torch.randint(0, len(yes), (each,), generator=g)]
            second = no[torch.randint(0, len(no), (each,), generator=g)]
            found.append(torch.stack([torch.full_like(first, person), first, second], 1))
    train, valid = torch.cat(rows[0]), torch.cat(rows[1])
    return Split(train, torch.ones(len(train)), valid, torch.ones(len(valid)))


@cache
def checkers(cells: int = 4, count: int = 1600) -> Split:
    """Points (n, 2) of a square board of `cells` by `cells` fields, about mean 0 and deviation 1: black or white?"""
    g = torch.Generator().manual_seed(101)
    places = torch.rand(count, 2, generator=g)
    return cut(3.4 * places - 1.7, (places * cells).floor().long().sum(1) % 2)


@cache
def colours(count: int = 1600) -> Split:
    """Red, green and blue in 0..255 (n, 3); what one calls it: grey (0), red, yellow, green, cyan, blue, magenta."""
    g = torch.Generator().manual_seed(103)
    pixels = torch.randint(0, 256, (count, 3), generator=g).float()
    names = []
    for row in (pixels / 255).tolist():
        hue, _, full = colorsys.rgb_to_hls(*row)
        names.append(0 if full < 0.2 else 1 + round(6 * hue) % 6)
    return cut(pixels, torch.tensor(names))


@cache
def loans(count: int = 2000) -> Split:
    """Made-up loans: purpose 0-5, region 0-7, income, debt, months, age (n, 6); was it paid late (one in three)?"""
    g = torch.Generator().manual_seed(107)
    purpose, region = torch.randint(0, 6, (count,), generator=g), torch.randint(0, 8, (count,), generator=g)
    income = torch.exp(10.6 + 0.5 * torch.randn(count, generator=g))
    debt = income * torch.rand(count, generator=g).square() * 1.5
    months = 6.0 * torch.randint(2, 13, (count,), generator=g)
    age = 20 + 50 * torch.rand(count, generator=g)
    risky = (
        torch.tensor([-0.8, 0.6, -0.2, 1.2, 0.1, -0.9])[purpose]
        + torch.tensor([1.0, -1, 0.5, 0, 0.3, -1.2, 0.9, -0.5])[region]
    )
    burden = 4.5 * (debt / income - 0.5) * (0.4 + months / 60) + 1.5 * ((age - 45) / 15).square() - 2.2
    chance = torch.sigmoid(2.0 * (risky + burden) - 0.8)
    columns = torch.stack([purpose.float(), region.float(), income.round(), debt.round(), months, age], 1)
    return cut(columns, (torch.rand(count, generator=g) < chance).long())


@cache
def concrete(count: int = 1400) -> Split:
    """Made-up concrete: cement, water, slag in kg/m3, age in days (n, 4); its strength in MPa (n, 1), 5 to 90."""
    g = torch.Generator().manual_seed(109)
    cement, water = 150 + 350 * torch.rand(count, generator=g), 140 + 80 * torch.rand(count, generator=g)
    slag, days = 180 * torch.rand(count, generator=g), torch.exp(5.2 * torch.rand(count, generator=g))
    ratio = water / (cement + 0.6 * slag)
    strength = 95 * torch.exp(-1.6 * ratio) * (days / (days + 4 + 0.03 * slag)) + 1.2 * torch.randn(count, generator=g)
    return cut(torch.stack([cement, water, slag, days], 1), strength.unsqueeze(1))


@cache
def diamonds(count: int = 1800) -> Split:
    """Made-up diamonds: carat, cut 0-4, colour 0-6, clarity 0-7 (n, 4); their price in dollars (n, 1)."""
    g = torch.Generator().manual_seed(113)
    carat = (torch.exp(-0.4 + 0.55 * torch.randn(count, generator=g))).clamp(0.2, 4)
    grades = [torch.randint(0, size, (count,), generator=g) for size in (5, 7, 8)]
    worth = 8.2 + 1.7 * carat.log() + 0.05 * grades[0] - 0.09 * grades[1] + 0.11 * grades[2]
    price = torch.exp(worth - 0.5 * (grades[1] > 4) * (grades[2] < 3) + 0.1 * torch.randn(count, generator=g))
    return cut(torch.stack([carat, *(grade.float() for grade in grades)], 1), price.unsqueeze(1))


@cache
def clicks(people: int = 120, ads: int = 60, count: int = 4000) -> Split:
    """Person, advertisement, hour of the day (n, 3): did he click (about one in two)?"""
    g = torch.Generator().manual_seed(127)
    taste, kind = torch.randn(people, 2, generator=g), torch.randn(ads, 2, generator=g)
    person, ad = torch.randint(0, people, (count,), generator=g), torch.randint(0, ads, (count,), generator=g)
    hour = torch.randint(0, 24, (count,), generator=g)
    drawn = 2.5 * (taste[person] * kind[ad]).sum(1) + 1.2 * kind[ad, 0] + torch.sin(hour / 24 * 2 * torch.pi)
    return cut(torch.stack([person, ad, hour], 1), (drawn + 0.7 * torch.randn(count, generator=g) > 0).long())


@cache
def pendulum(count: int = 1500) -> Split:
    """Angle and speed of a pendulum with friction (n, 2); both a second later (n, 2)."""
    g = torch.Generator().manual_seed(131)
    state = (torch.rand(count, 2, generator=g) - 0.5) * torch.tensor([5.0, 8.0])
    angle, speed = state.unbind(1)
    for _ in range(100):
        speed = speed - 0.01 * (6 * angle.sin() + 0.3 * speed)
        angle = angle + 0.01 * speed
    later = torch.stack([angle, speed], 1)
    return cut(state, later + 0.02 * torch.randn(count, 2, generator=g))


@cache
def roll(count: int = 1500) -> Split:
    """Points of a rolled-up sheet (n, 3), coordinates up to 20; how far along the sheet (n, 1), 4.7 to 14."""
    points, along = datasets.make_swiss_roll(count, noise=0.3, random_state=5)
    return cut(torch.tensor(points).float(), torch.tensor(along).float().unsqueeze(1))


@cache
def phase(count: int = 1500) -> Split:
    """Friedman's third function, a circuit's phase: 4 columns of 0.5 to 1,700, radians (n, 1) of 0 to 1.6."""
    inputs, targets = datasets.make_friedman3(count, noise=0.05, random_state=6)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).float().unsqueeze(1))


@cache
def pumps(count: int = 2400, share: float = 0.04) -> Split:
    """Eight standardised sensors of pumps (n, 8); does it fail within a week, true for a `share` of them?"""
    g = torch.Generator().manual_seed(137)
    x = torch.randn(count, 8, generator=g)
    wear = x[:, 0] * x[:, 1] + x[:, 2].abs() + 0.8 * x[:, 3] - 0.5 * x[:, 4].square()
    wear = wear + 0.3 * torch.randn(count, generator=g)
    return cut(x, (wear > wear.quantile(1 - share)).long())


@cache
def genes(count: int = 400, columns: int = 150) -> Split:
    """A few hundred people and the activity of many genes (n, columns), a dozen of which tell two kinds apart."""
    inputs, targets = datasets.make_classification(
        count, columns, n_informative=10, n_redundant=2, class_sep=1.3, flip_y=0.03, random_state=7
    )
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).long()).standardised()


@cache
def patches(size: int = 12, count: int = 1500) -> Split:
    """Square cut-outs (n, 3, size, size) of two photographs, about -2..2, each standardised: temple (0) or flower?"""
    g = torch.Generator().manual_seed(139)
    photos = [
        torch.tensor(datasets.load_sample_image(name)).float().permute(2, 0, 1) for name in ("china.jpg", "flower.jpg")
    ]
    small = [torch.nn.functional.avg_pool2d(photo, 3) for photo in photos]
    kind = torch.randint(0, 2, (count,), generator=g)
    found = []
    for label in kind.tolist():
        top, left = (int(torch.randint(0, side - size, (1,), generator=g)) for side in small[label].shape[1:])
        part = small[label][:, top : top + size, left : left + size]
        found.append((part - part.mean()) / part.std().clamp(min=4))
    return cut(torch.stack(found), kind)
