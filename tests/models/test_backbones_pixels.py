"""The stage in front of a pretrained network of images."""

import pytest
import torch
from torch.nn import functional as F

from latih import InputError
from latih.models.backbones import Pixels

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_bytes_become_standardised_channels():
    x = pictures(4, 3, 8, 6)
    expected = (x.double() / 255 - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1)
    torch.testing.assert_close(Pixels(MEAN, STD, (8, 6))(x), expected.float(), atol=1e-5, rtol=0)


def test_floating_pictures_reach_from_0_to_255_as_bytes_do():
    x = pictures(4, 3, 8, 6)
    stage = Pixels(MEAN, STD, (8, 6))
    torch.testing.assert_close(stage(x.float()), stage(x))


def test_another_size_is_resized_without_leaving_the_range_of_a_byte():
    x = pictures(2, 3, 40, 50) // 200 * 255  # hard edges, at which bicubic interpolation overshoots
    resized = Pixels([0.0] * 3, [1.0] * 3, (16, 24))(x)
    reference = F.interpolate(x.float(), (16, 24), mode="bicubic", antialias=True, align_corners=False)
    assert resized.shape == (2, 3, 16, 24)
    assert reference.min() < 0
    assert 0 <= resized.min() <= resized.max() <= 1
    torch.testing.assert_close(resized, reference.clamp(0, 255) / 255)


def test_a_grey_picture_is_repeated_only_when_asked_for():
    x = pictures(2, 1, 8, 8)
    repeated = Pixels(MEAN, STD, (8, 8), repeat_grey=True)(x)
    torch.testing.assert_close(repeated, Pixels(MEAN, STD, (8, 8))(x.expand(-1, 3, -1, -1)))
    with pytest.raises(InputError, match=r"grey images \(1 channel\) for a network that expects 3; .*color='rgb'"):
        Pixels(MEAN, STD, (8, 8))(x)


def test_the_statistics_travel_with_the_weights():
    saved = Pixels(MEAN, STD, (8, 8)).state_dict()
    blank = Pixels([0.0] * 3, [1.0] * 3, (8, 8))
    blank.load_state_dict(saved)
    x = pictures(1, 3, 8, 8)
    torch.testing.assert_close(blank(x), Pixels(MEAN, STD, (8, 8))(x), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Pixels(MEAN, (1.0, 1.0), (8, 8)), "one mean and one standard deviation"),
        (lambda: Pixels(MEAN, (1.0, 0.0, 1.0), (8, 8)), "standard deviation above 0"),
        (lambda: Pixels(MEAN, STD, (8, 0)), "size must be a whole number, at least 1"),
        (lambda: Pixels(MEAN, STD, (8,)), "a height and a width"),
        (lambda: Pixels(MEAN, STD, (8, 8), channels=4), "channels=4"),
        (lambda: Pixels(MEAN, STD, (8, 8)).check((7,)), "takes images"),
        (lambda: Pixels(MEAN, STD, (8, 8))(pictures(1, 4, 8, 8)), "images with 4 channels"),
        (lambda: Pixels(MEAN, STD, (8, 8))(pictures(3, 8, 8)), "takes images"),
    ],
)
def test_what_is_no_picture_for_the_network_is_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
