import numpy as np
import pytest
from learning_records import FALLING, FLAT, noisy, record

from latih.diagnose import Curve
from latih.diagnose._movement import Movement
from latih.diagnose._progress import kendall, swings
from latih.watch import Loss, Record


def curve(losses, **facts):
    return Curve.of(record(losses, **facts))


def test_a_loss_below_the_baseline_is_learned():
    assert curve(FALLING).learns is True
    assert curve(FALLING).gain == pytest.approx(0.98, abs=0.02)


def test_a_loss_at_the_baseline_is_not():
    assert curve(FLAT).learns is False
    assert abs(curve(FLAT).trend) < 2


def test_a_few_updates_tell_nothing():
    assert curve(FALLING[:20]).learns is None


def test_falling_towards_the_baseline_is_not_decided():
    assert curve(noisy(np.linspace(5, 2, 400))).learns is None


def test_without_a_baseline_only_a_fall_counts():
    assert curve(FALLING, baseline=None).learns is True
    assert curve(FLAT, baseline=None).learns is None


def test_with_a_penalty_the_baseline_condemns_nobody():
    added = Loss(kind="mse", ops=["mse", "mean", "add"], baseline=1.0, floor=0.0)
    assert curve(noisy(2 + np.linspace(1, 0, 400) ** 4), loss=added).learns is None
    assert curve(FALLING, loss=added).learns is True


def test_lost_losses_are_left_out():
    assert len(curve([*FALLING, None, float("inf")])) == len(FALLING)


def test_an_empty_curve_has_no_level():
    empty = Curve(())
    assert empty.learns is None
    assert np.isnan(empty.level)
    assert np.isnan(empty.start)


def test_the_slope_is_the_lines():
    assert curve(noisy(np.linspace(2, 1, 500), 0.01)).slope == pytest.approx(-1 / 499, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_measured_and_does_not_swing(seed):
    still = curve(noisy(np.ones(300), 0.2, seed))
    assert still.noise == pytest.approx(0.2, rel=0.3)
    assert not swings(still)
    assert still.rises <= 1


def test_kendall_counts_pairs():
    assert kendall([1, 2, 3, 4, 5]) == pytest.approx(10 / np.sqrt(5 * 4 * 15 / 18))
    assert kendall([3, 3]) == 0.0


def test_the_path_of_the_weights_is_the_sum_of_their_steps():
    assert Movement.of(record(FLAT, 0.01)).travelled(400) == pytest.approx(4.0)
    assert Movement.of(record(FLAT, lambda step: 1.0 if step == 0 else 0.0)).travelled(400) == pytest.approx(1.0)


def test_frozen_layers_do_not_count():
    frozen = record(FLAT, 0.01)
    for sample in frozen.samples:
        sample.readings[0].weight_change = sample.readings[1].weight_change = 0.0
    assert Movement.of(frozen).now == pytest.approx(0.01)


def test_growth_is_the_middle_layers():
    assert Movement.of(record(FLAT, grown=3.0)).grown == pytest.approx(3.0)
    assert Movement.of(record([])).grown == 1.0


def test_a_small_batch_s_last_block_does_not_hide_what_the_last_half_shows():
    noise = np.random.default_rng(0).standard_normal(360) * 0.6
    losses = np.full(360, 0.75) + noise - noise.mean()
    losses[-30:] += 0.92 - losses[-30:].mean()
    assert Curve(tuple(float(one) for one in losses), 1.0, 0.0).learns is True


def test_a_loss_that_seems_well_below_the_baseline_but_is_not_sure_is_not_condemned():
    spread = [(-1) ** step * (0.5 + 0.1 * (step % 5)) for step in range(36)]
    losses = tuple(0.8 + one for one in spread)
    assert Curve(losses, 1.0, 0.0).learns is not False


def test_one_large_batch_is_no_swing():
    losses = [1.0 - 0.006 * step for step in range(60)]
    losses[-2] = 4.0
    assert not swings(Curve(tuple(losses), 1.1, 0.0))


def test_a_truth_loss_on_scores_has_nothing_added():
    ops = ["binary_cross_entropy_with_logits", "mean"]
    assert Curve.of(Record(losses=[0.7] * 30, loss=Loss(kind="bce_with_logits", ops=ops, baseline=0.69))).exact
