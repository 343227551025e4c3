"""What is read off a curve whose answer is known."""

import math

import pytest

from latih.heal.lr import Candidate, Swept
from latih.heal.lr._curve import read_curve
from latih.heal.lr._validate import choose

RATES = tuple(10 ** (-7 + place / 16) for place in range(130))


def swept(loss):
    return Swept(loss(-9.0), RATES, tuple(loss(math.log10(rate)) for rate in RATES), "diverged")


def valley(log):
    """Falls fastest per decade at 1e-2, is lowest at 0.1, and rises from there."""
    return 1.15 - 1 / (1 + math.exp(-4 * (log + 2))) + max(0.0, log + 1) * 3


def test_the_points_of_a_smooth_valley_are_found():
    curve = read_curve(swept(valley))
    assert curve.steepest == pytest.approx(1e-2, rel=0.3)
    assert curve.lowest == pytest.approx(0.1, rel=0.3)
    assert curve.lowest < curve.rises < 0.2


def test_one_loss_out_of_line_moves_nothing():
    clean = swept(valley)
    for place, value in ((40, -5.0), (70, 9.0), (60, math.nan), (50, math.inf)):
        losses = list(clean.losses)
        losses[place] = value
        curve = read_curve(Swept(clean.start, RATES, tuple(losses), "diverged"))
        assert curve.lowest == pytest.approx(0.1, rel=0.3)
        assert curve.steepest == pytest.approx(1e-2, rel=0.35)


def test_the_steepest_point_per_unit_of_the_rate_would_lie_elsewhere():
    curve, points = read_curve(swept(valley)), swept(valley)
    slopes = [(points.losses[k + 1] - points.losses[k]) / (RATES[k + 1] - RATES[k]) for k in range(len(RATES) - 1)]
    linear = RATES[min(range(len(slopes)), key=slopes.__getitem__)]
    assert linear < curve.steepest / 2


@pytest.mark.parametrize("loss", [lambda log: 2.0, lambda log: 2.0 + max(0.0, log) ** 2, lambda log: 1e6 - 1e-3 * log])
def test_a_loss_that_does_not_fall_has_no_lowest_point(loss):
    assert read_curve(swept(loss)).lowest is None


def test_nothing_is_read_where_nothing_was_seen():
    assert read_curve(Swept(math.nan, (), (), "unusable")).lowest is None
    assert read_curve(Swept(1.0, (1e-7,), (math.inf,), "diverged")).lowest is None


def candidate(lr, *parts):
    return Candidate(lr, sum(parts) / len(parts), 100, parts)


START = (2.0, 2.0, 2.0, 2.0)


def test_of_rates_within_noise_the_largest_is_kept():
    low, high = candidate(0.1, 0.50, 0.60, 0.40, 0.50), candidate(0.3, 0.60, 0.52, 0.44, 0.46)
    assert choose([low, high], START) is high
    worse = candidate(0.3, 0.61, 0.70, 0.52, 0.60)
    assert choose([low, worse], START) is low


def test_a_rate_before_a_cliff_is_left_for_the_one_below():
    low, best, beyond = (candidate(lr, *[loss] * 4) for lr, loss in ((0.1, 0.5), (0.3, 0.4), (1.0, 1.9)))
    assert choose([low, best, beyond], START) is low
    assert choose([candidate(0.1, *[1.0] * 4), best, beyond], START) is best
    assert choose([low, best, candidate(1.0, *[0.6] * 4)], START) is best
    assert choose([low, best, Candidate(1.0, math.inf, 7)], START) is low


def test_where_every_run_diverges_there_is_no_best():
    assert choose([Candidate(1.0, math.inf, 3)], START) is None
