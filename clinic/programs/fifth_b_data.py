"""Made-up data of the fifth series: sensors, reviews, a river, cars, subscribers, payments, films, drops."""

from __future__ import annotations

import math
from functools import cache

import torch
from sklearn import datasets
from torch import Tensor

from .._data import Split, cut


@cache
def activities(length: int = 32, count: int = 1600, shares: tuple[float, ...] = (1.0,) * 6) -> Split:
    """A phone's accelerometer, standardised (n, length, 3): rest (0), walking, running, stairs, cycling, jumping."""
    g = torch.Generator().manual_seed(501)
    kind = torch.multinomial(torch.tensor(shares), count, replacement=True, generator=g)
    pace = torch.tensor([0.0, 1.8, 2.7, 1.6, 1.3, 2.1])[kind] * (1 + 0.05 * torch.randn(count, generator=g))
    force = torch.tensor([0.0, 0.4, 0.8, 0.6, 0.25, 1.1])[kind] * torch.exp(0.12 * torch.randn(count, generator=g))
    second = torch.tensor([0.0, 0.3, 0.4, 1.0, 0.0, 0.1])[kind]
    turn = pace[:, None] * torch.arange(length) / 16 + torch.rand(count, 1, generator=g)
    swing = force[:, None] * ((math.tau * turn).sin() + second[:, None] * (2 * math.tau * turn + 0.6).sin())
    along = torch.tensor([0.2, 0.3, 0.9]) + 0.25 * torch.randn(count, 1, 3, generator=g)
    along = along / along.norm(dim=2, keepdim=True)
    x = along * (1 + swing.unsqueeze(2)) + 0.08 * torch.randn(count, length, 3, generator=g)
    return cut((x - x.mean((0, 1))) / x.std((0, 1)), kind)


@cache
def reviews(length: int = 20, count: int = 3200) -> Split:
    """Reviews of 100 words: numbers (n, length), 0 behind; is it praise? 1 is "not", 2 "very", 3-32 have a tone."""
    g = torch.Generator().manual_seed(502)
    rows, labels = torch.zeros(count, length, dtype=torch.long), torch.zeros(count, dtype=torch.long)
    share = torch.tensor([0.14, 0.10, 0.16, 0.16, 0.44])
    for n in range(count):
        mood = 0
        while mood == 0:
            size = int(torch.randint(8, length + 1, (1,), generator=g))
            sort = torch.multinomial(share, size, replacement=True, generator=g)
            word = torch.randint(0, 15, (size,), generator=g)
            odd = torch.randint(33, 100, (size,), generator=g)
            found = torch.where(sort < 2, sort + 1, torch.where(sort < 4, 3 + 15 * (sort - 2) + word, odd))
            mood, sign = 0, 1
            for code in found.tolist():
                if code == 1:
                    sign = -1
                elif code == 2:
                    sign *= 2
                elif code < 33:
                    mood, sign = mood + (sign if code < 18 else -sign), 1
                else:
                    sign = 1
        rows[n, : len(found)], labels[n] = found, int(mood > 0)
    return cut(rows, labels)


@cache
def river(length: int = 30, count: int = 1500) -> Split:
    """A river's level in cm and the rain in mm of the last days (n, length, 2); its level three days on (n, 1)."""
    g = torch.Generator().manual_seed(503)
    days = count + length + 3
    rain = 25 * torch.rand(days, generator=g).square() * (torch.rand(days, generator=g) < 0.35)
    season = 60 * torch.sin(math.tau * torch.arange(days) / 180)
    level, soil, levels = 0.0, 0.0, []
    for day in range(days):
        soil = 0.8 * soil + float(rain[day])
        level = 0.85 * level + 0.5 * max(soil - 15, 0.0)
        levels.append(420 + float(season[day]) + 2 * level)
    series = torch.tensor(levels) + 2 * torch.randn(days, generator=g)
    windows = torch.stack([series, rain], 1).unfold(0, length, 1)[:count].transpose(1, 2)
    return cut(windows.contiguous(), series[length + 2 :][:count].unsqueeze(1))


@cache
def scaled_river(length: int = 30) -> Split:
    """The same with level, rain and target at mean 0 and deviation 1."""
    data = river(length)
    mean, std = data.inputs.mean((0, 1)), data.inputs.std((0, 1))
    return data.on_inputs(lambda x: (x - mean) / std).standardised_targets()


@cache
def cars(count: int = 1300) -> Split:
    """Made-up cars: kg, horse power, cylinders, litres, year, automatic or not (n, 6); miles on a gallon (n,)."""
    g = torch.Generator().manual_seed(504)
    cylinders = torch.tensor([3.0, 4, 4, 6, 8])[torch.randint(0, 5, (count,), generator=g)]
    litres = cylinders * (0.35 + 0.25 * torch.rand(count, generator=g))
    power = 35 * litres * (0.7 + 0.8 * torch.rand(count, generator=g))
    weight = 700 + 180 * litres + 300 * torch.rand(count, generator=g)
    year, automatic = 70 + torch.randint(0, 25, (count,), generator=g), torch.randint(0, 2, (count,), generator=g)
    use = 2 + 0.0045 * weight * (1 - 0.012 * (year - 70)) + 0.00018 * power.square() + 1.2 * automatic * (year < 82)
    miles = 235 / use / (1 + 0.2 * (power / weight > 0.1)) + 0.8 * torch.randn(count, generator=g)
    return cut(torch.stack([weight, power, cylinders, litres, year.float(), automatic.float()], 1), miles)


@cache
def subscribers(count: int = 2200) -> Split:
    """Plan 0-3, region 0-5, months, calls, bill (n, 5); did the subscriber leave (about two in five)?"""
    g = torch.Generator().manual_seed(505)
    plan, region = torch.randint(0, 4, (count,), generator=g), torch.randint(0, 6, (count,), generator=g)
    months = 60 * torch.rand(count, generator=g)
    calls = torch.poisson(torch.full((count,), 1.8), generator=g)
    bill = torch.tensor([15.0, 30, 45, 80])[plan] * (0.6 + 0.8 * torch.rand(count, generator=g))
    wish = torch.tensor([-1.0, 0.4, 1.0, -0.4])[plan] + torch.tensor([0.8, -0.8, 0, 1.2, -1.2, 0.2])[region]
    wish = wish + 1.6 * (calls > 2) - 0.05 * (months - 25) * (plan < 2) + 0.04 * (bill - 40) - 0.4
    left = torch.rand(count, generator=g) < torch.sigmoid(2.5 * wish)
    return cut(torch.stack([plan.float(), region.float(), months, calls, bill], 1), left.long())


@cache
def payments(count: int = 3000, share: float = 0.03) -> Split:
    """Ten standardised facts of payments (n, 10); is it fraud (n,), true for a `share` of them?"""
    g = torch.Generator().manual_seed(506)
    x = torch.randn(count, 10, generator=g)
    odd = x[:, 0] * x[:, 1] + 1.2 * x[:, 2] - x[:, 3].abs() + 0.7 * x[:, 4] * (x[:, 5] > 0)
    odd = odd + 0.5 * torch.randn(count, generator=g)
    return cut(x, (odd > odd.quantile(1 - share)).long())


@cache
def films(count: int = 1800, words: int = 80) -> Split:
    """How often each of 80 words is in a film's story (n, 80); which of six genres it is of (n, 6), one to four."""
    g = torch.Generator().manual_seed(507)
    genre = (torch.rand(count, 6, generator=g) < torch.tensor([0.4, 0.3, 0.35, 0.2, 0.25, 0.3])).float()
    typical = 0.9 * (torch.rand(6, words, generator=g) < 0.12)
    x = torch.poisson(0.25 + genre @ typical, generator=g)
    return cut(x, genre)


@cache
def drops(size: int = 20, count: int = 1400, most: int = 6) -> tuple[Split, Split]:
    """Noisy pictures (n, 1, size, size) of round drops, each with how many (n,), and with their mask (n, 1, ...)."""
    g = torch.Generator().manual_seed(508)
    grid = torch.arange(size).float()
    number = torch.randint(0, most + 1, (count,), generator=g)
    mask = torch.zeros(count, 1, size, size)
    for n, many in enumerate(number.tolist()):
        for row, column in (2 + (size - 4) * torch.rand(many, 2, generator=g)).tolist():
            mask[n, 0] += ((grid[:, None] - row) ** 2 + (grid[None] - column) ** 2 < 4).float()
    mask = mask.clamp(max=1)
    x = mask * (0.6 + 0.4 * torch.rand(count, 1, 1, 1, generator=g)) + 0.2 * torch.randn(mask.shape, generator=g)
    return cut(x, number.float()), cut(x, mask)


@cache
def peaks(count: int = 1600) -> Split:
    """Places (n, 2) of -3..3 and how high a landscape of hills is there (n, 1), about mean 0 and deviation 1."""
    g = torch.Generator().manual_seed(509)
    x, y = (6 * torch.rand(2, count, generator=g) - 3).unbind()
    height = 3 * (1 - x) ** 2 * (-(x**2) - (y + 1) ** 2).exp() - (-((x + 1) ** 2) - y**2).exp() / 3
    height = height - 10 * (x / 5 - x**3 - y**5) * (-(x**2) - y**2).exp()
    return cut(torch.stack([x, y], 1), (height / 2).unsqueeze(1) + 0.03 * torch.randn(count, 1, generator=g))


@cache
def circles(count: int = 1200) -> Split:
    """A ring inside a ring (n, 2), a little noisy."""
    inputs, targets = datasets.make_circles(count, noise=0.1, factor=0.5, random_state=2)
    return cut(torch.tensor(inputs).float(), torch.tensor(targets).long())


def micro_f1(output: Tensor, target: Tensor) -> float:
    """Harmonic mean of precision and recall over all labels of all rows, of logits above 0."""
    said = (output > 0).float()
    return (2 * (said * target).sum() / (said.sum() + target.sum()).clamp(min=1)).item()
