"""What counts as a loss that has left its level, on curves whose noise is known."""

import math

import pytest
import torch

from latih.train._spike import WINDOW, Level


def judged(losses):
    """The first spike, and the number of losses that had been seen by then."""
    level = Level()
    for count, loss in enumerate(losses, start=1):
        level.add(loss)
        if level.full and (spike := level.risen()) is not None:
            return spike, count
    return None, len(losses)


def noise(kind, n, seed):
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(n, generator=generator)
    return {
        "normal": torch.randn(n, generator=generator) * 0.5,
        "heavy": (torch.randn(n, generator=generator) / uniform).clamp(-1e6, 1e6) * 0.1,
        "skewed": uniform.log().neg() ** 3,
        "none": torch.zeros(n),
    }[kind]


@pytest.mark.parametrize("kind", ["normal", "heavy", "skewed", "none"])
@pytest.mark.parametrize("shape", ["falling", "flat", "restarts", "rising slowly"])
@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_curve_has_no_spike(kind, shape, seed):
    step = torch.arange(2000.0)
    trend = {
        "falling": 2.3 * torch.exp(-step / 300) + 0.05,
        "flat": torch.full_like(step, 2.3),
        "restarts": 0.3 + 2 * torch.exp(-step / 200) + 0.5 * (1 - (step % 500) / 500),
        "rising slowly": 0.5 + 1.8 * torch.exp(-step / 100) + step / 2000 * 0.4,
    }[shape]
    assert judged((trend + noise(kind, 2000, seed)).tolist())[0] is None


@pytest.mark.parametrize("kind", ["normal", "none"])
@pytest.mark.parametrize("at", [300, 317, 1100])
def test_a_loss_that_leaves_is_found_within_two_windows(kind, at):
    step = torch.arange(2000.0)
    losses = 2.3 * torch.exp(-step / 100) + 0.05 + 0.1 * noise(kind, 2000, 0)
    losses[at:] += 5.0
    spike, count = judged(losses.tolist())
    assert spike is not None
    assert at < count <= at + 2 * WINDOW
    assert count - spike.updates == at
    assert spike.now == pytest.approx(5.0, abs=0.5)


def test_a_network_that_has_collapsed_to_the_loss_it_began_with_is_found():
    losses = [2.3 * math.exp(-step / 50) for step in range(400)] + [2.303] * 60
    assert judged(losses)[0] is not None


def test_outliers_alone_are_no_spike():
    losses = [1e6 if step % 3 == 0 else 0.5 for step in range(1000)]
    assert judged(losses)[0] is None


def test_losses_below_zero_are_judged_by_what_was_learned():
    falling = [3 - 8 * (1 - math.exp(-step / 50)) for step in range(400)]
    assert judged(falling)[0] is None
    assert judged([*falling, *[4.0] * 60])[0] is not None


def test_a_level_goes_on_where_it_was_saved():
    level, other = Level(), Level()
    for step in range(137):
        level.add(1 / (1 + step))
        if level.full:
            level.risen()
    other.load(level.state())
    assert other.state() == level.state()
    for one in (level, other):
        for _ in range(30):
            one.add(3.0)
    assert level.risen() == other.risen()
