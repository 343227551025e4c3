"""The automatic limit, against the algorithm written out with numpy."""

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from latih import clip
from latih._checks import InputError

NORMS = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3, 5.8, 9.7, 0.3, 100.0, 2.0]


def parameter(length: float, dtype: torch.dtype = torch.float64) -> Tensor:
    made = nn.Parameter(torch.ones(2, dtype=dtype))
    made.grad = torch.tensor([0.6, 0.8], dtype=dtype) * length
    return made


def cut(method: clip.Clip, length: float) -> float:
    """The length of a gradient of `length` after the clip."""
    made = parameter(length)
    method([made])
    return made.grad.norm().item()


@pytest.mark.parametrize("percentile", [0.0, 10.0, 50.0, 90.0, 100.0])
@pytest.mark.parametrize("history", [1, 2, 5, 1000])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_limit_is_the_percentile_of_the_last_norms_before_clipping(percentile, history, factor):
    method = clip.auto(percentile, history, factor)
    for step, length in enumerate(NORMS):
        limit = factor * np.percentile(NORMS[: step + 1][-history:], percentile)
        assert cut(method, length) == pytest.approx(min(length, limit), rel=1e-6), step


def test_an_outlier_is_cut_to_the_scale_of_the_gradients_before_it():
    method = clip.auto()
    for length in np.random.default_rng(0).uniform(0.9, 1.1, 200):
        cut(method, float(length))
    assert cut(method, 1e6) < 1.2


def test_gradients_that_really_grow_take_the_limit_with_them():
    method = clip.auto(history=20)
    for _ in range(20):
        cut(method, 1.0)
    assert [cut(method, 50.0) for _ in range(20)][-1] == pytest.approx(50.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_a_norm_that_is_not_finite_or_zero_never_enters_the_history(bad):
    with_bad, without = clip.auto(50), clip.auto(50)
    for length in NORMS[:6]:
        with_bad([parameter(bad)])
        assert cut(with_bad, length) == cut(without, length)
    assert torch.equal(with_bad.state()["count"], torch.tensor(6))
    assert not with_bad.state()["norms"][:6].isnan().any()


def test_a_run_resumed_from_its_state_cuts_as_the_uninterrupted_one():
    whole, first = clip.auto(50, history=4), clip.auto(50, history=4)
    expected = [cut(whole, length) for length in NORMS]
    got = [cut(first, length) for length in NORMS[:7]]
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second = clip.auto(50, history=4)
    second.load(torch.load(file, weights_only=True))
    assert got + [cut(second, length) for length in NORMS[7:]] == expected


def test_a_saved_state_does_not_move_with_later_steps_and_is_not_moved_by_the_clip_that_loads_it():
    method, other = clip.auto(), clip.auto()
    cut(method, 1.0)
    state = method.state()
    other.load(state)
    cut(method, 2.0)
    cut(other, 3.0)
    assert state["count"].item() == 1
    assert state["norms"].nansum().item() == 1.0


def test_two_clips_do_not_share_a_history():
    one, other = clip.auto(), clip.auto()
    cut(one, 1.0)
    assert other.state()["count"].item() == 0


def test_a_clip_without_memory_has_an_empty_state_and_takes_it_back():
    clip.norm().load(clip.norm().state())
    assert clip.norm().state() == clip.none().state() == {}


def test_the_state_of_another_clip_is_refused():
    with pytest.raises(InputError, match=r"auto\(history=4\): the saved state is of another clip"):
        clip.auto(history=4).load(clip.auto().state())
    with pytest.raises(InputError, match=r"norm\(\): the saved state is of another clip"):
        clip.norm().load(clip.auto().state())
    with pytest.raises(InputError, match=r"auto\(\): the saved state is of another clip"):
        clip.auto().load({})


def test_the_history_is_kept_in_single_precision_at_least():
    method = clip.auto()
    made = parameter(1.0, torch.float16)
    made.grad.fill_(6e4)  # its norm overflows half precision
    method([made])
    assert method.state()["norms"].dtype == torch.float32
    assert method.state()["norms"][0].isfinite()


def test_a_full_history_still_reads_nothing_back_to_the_host():
    with FakeTensorMode():
        method = clip.auto(history=2)
        for length in NORMS[:4]:
            method([parameter(length)])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: clip.auto(101.0), r"auto\(percentile=101.0\): percentile must lie between 0 and 100\."),
        (lambda: clip.auto(-1), r"auto\(percentile=-1\): percentile must lie between 0 and 100\."),
        (lambda: clip.auto(history=0), r"auto\(history=0\): history must be at least 1\."),
        (lambda: clip.auto(history=10.0), r"auto\(history=10.0\): history must be an integer\."),
        (lambda: clip.auto(factor=0.0), r"auto\(factor=0.0\): factor must be a number above 0\."),
    ],
)
def test_bad_arguments_of_auto_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
