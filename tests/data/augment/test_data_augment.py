import pytest
import torch

from latih._checks import InputError
from latih._notation import build, names
from latih.data.augment import affine, erase, flip, none, shift

STRONG = [
    "none()",
    "flip(0.5)",
    "shift(3)",
    "affine(30, 0.2, 0.3)",
    "erase(0.5, 0.5)",
    "flip() >> shift(2) >> affine()",
]
IDENTITY = ["none()", "flip(0)", "shift(0)", "affine(0, 0, 0)", "erase(0)", "erase(probability=0)"]
DTYPES = [torch.uint8, torch.float32, torch.float64, torch.bfloat16]


def pictures(count=16, dtype=torch.uint8, channels=3, height=12, width=10):
    values = torch.randint(0, 256, (count, channels, height, width), generator=torch.Generator().manual_seed(0))
    return values.to(dtype) if dtype == torch.uint8 else (values / 255).to(dtype)


def test_every_method_is_tested_here():
    assert {text.split("(")[0] for text in STRONG[:5]} == set(names("augment"))


@pytest.mark.parametrize("text", [*names("augment"), *STRONG])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_shape_dtype_and_range_are_kept(text, dtype):
    images = pictures(dtype=dtype)
    before = images.clone()
    changed = build("augment", text)(images, torch.arange(16), seed=0, epoch=0)
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert images.amin() <= changed.amin()
    assert changed.amax() <= images.amax()
    assert torch.equal(images, before)


@pytest.mark.parametrize("text", STRONG)
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
def test_a_sample_gets_the_same_picture_in_any_batch(text, dtype):
    augment, images, index = build("augment", text), pictures(dtype=dtype), torch.arange(100, 116)
    whole = augment(images, index, seed=1, epoch=2)
    chosen = torch.tensor([9, 3, 12])
    assert torch.equal(augment(images[chosen], index[chosen], seed=1, epoch=2), whole[chosen])


@pytest.mark.parametrize("text", STRONG[1:])
def test_seed_epoch_and_index_each_change_the_pictures(text):
    augment, images, index = build("augment", text), pictures(), torch.arange(16)
    first = augment(images, index, seed=0, epoch=0)
    assert torch.equal(first, augment(images, index, seed=0, epoch=0))
    assert not torch.equal(first, augment(images, index, seed=1, epoch=0))
    assert not torch.equal(first, augment(images, index, seed=0, epoch=1))
    assert not torch.equal(first, augment(images, index + 16, seed=0, epoch=0))


@pytest.mark.parametrize("text", IDENTITY)
@pytest.mark.parametrize("dtype", DTYPES[:3], ids=str)
def test_no_strength_is_the_identity(text, dtype):
    images = pictures(dtype=dtype)
    changed = build("augment", text)(images, torch.arange(16), seed=0, epoch=0)
    torch.testing.assert_close(changed, images, atol=0 if dtype == torch.uint8 else 1e-5, rtol=0)


def test_a_chain_does_its_steps_in_order_with_numbers_of_their_own():
    index = torch.arange(4000)
    images = torch.tensor([0.0, 1.0]).expand(4000, 1, 1, 2)
    once, twice = flip(), flip() >> flip()
    first = once(images, index, seed=0, epoch=0)[:, 0, 0, 0]
    second = (none() >> flip())(images, index, seed=0, epoch=0)[:, 0, 0, 0]
    assert torch.equal(first, second)  # `none` takes no place
    both = twice(images, index, seed=0, epoch=0)[:, 0, 0, 0]
    second = (both - first).abs()
    assert 1800 < second.sum() < 2200
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 4 / 4000**0.5


def test_flip_mirrors_the_stated_share_left_to_right():
    images = pictures(2000, height=2, width=3)
    changed = flip(0.25)(images, torch.arange(2000), seed=0, epoch=0)
    mirrored = (changed == images.flip(-1)).flatten(1).all(1)
    kept = (changed == images).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert 420 < mirrored.sum() < 580


def test_shift_moves_by_each_offset_as_often_and_repeats_the_edge():
    images = torch.arange(42).view(1, 1, 6, 7).expand(2500, 1, 6, 7)
    changed = shift(2)(images, torch.arange(2500), seed=0, epoch=0)
    seen = torch.zeros(5, 5)
    for down in range(-2, 3):
        for right in range(-2, 3):
            rows = (torch.arange(6) - down).clamp(0, 5)
            columns = (torch.arange(7) - right).clamp(0, 6)
            seen[down, right] = (changed == images[:1, :, rows][..., columns]).flatten(1).all(1).sum()
    assert seen.sum() == 2500
    assert ((seen - 100) ** 2 / 100).sum() < 45.6  # 0.5 % of 24 degrees of freedom


def test_affine_turns_about_the_centre():
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1.0
    changed = affine(180, 0, 0)(image.expand(20, 1, 9, 9), torch.arange(20), seed=0, epoch=0)
    torch.testing.assert_close(changed[..., 4, 4], torch.ones(20, 1), atol=1e-4, rtol=0)


def test_affine_moves_within_the_stated_share_of_each_side():
    image = torch.zeros(1, 1, 21, 41)
    image[..., 10, 20] = 1.0
    changed = affine(0, 0.2, 0)(image.expand(200, 1, 21, 41), torch.arange(200), seed=0, epoch=0)[:, 0]
    rows = (changed.sum(2) * torch.arange(21)).sum(1) - 10
    columns = (changed.sum(1) * torch.arange(41)).sum(1) - 20
    for moves, furthest in ((rows, 4.2), (columns, 8.2)):
        assert 0.9 * furthest < moves.abs().max() <= furthest + 1e-3
        assert abs(moves.mean()) < 0.2 * furthest


def test_affine_scales_within_the_stated_share():
    image = torch.zeros(1, 1, 41, 41)
    image[..., 11:30, 11:30] = 1.0
    areas = affine(0, 0, 0.5)(image.expand(100, 1, 41, 41), torch.arange(100), seed=0, epoch=0).sum((1, 2, 3))
    sides = areas.sqrt() / 19
    assert 0.45 < sides.min() < 0.6
    assert 1.4 < sides.max() < 1.55


def test_erase_covers_one_rectangle_with_the_mean_of_each_channel():
    images = pictures(1000, torch.float64)
    changed = erase(0.5, 0.5)(images, torch.arange(1000), seed=0, epoch=0)
    differs = changed != images
    hit = differs.flatten(1).any(1)
    assert 440 < hit.sum() < 560
    covered = differs[hit].any(1)
    assert (covered.sum((1, 2)) == 6 * 5).all()
    assert (covered.any(2).sum(1) == 6).all()
    means = images.mean((2, 3), keepdim=True).expand_as(images)
    torch.testing.assert_close(changed[differs], means[differs])
    assert covered.any(0).all()  # anywhere inside


def test_indices_are_needed_for_every_picture():
    with pytest.raises(InputError, match="leave augmentation out"):
        flip()(torch.zeros(4, 7), torch.arange(4), seed=0, epoch=0)
    with pytest.raises(InputError, match="N indices"):
        flip()(pictures(), torch.arange(3), seed=0, epoch=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flip(1.5), "flip(probability=1.5): probability must lie between 0 and 1"),
        (lambda: shift(-1), "shift(pixels=-1): pixels must be at least 0"),
        (lambda: shift(1.5), "shift(pixels=1.5): pixels must be a whole number"),
        (lambda: shift(12)(pictures(), torch.arange(16), 0, 0), "shift(pixels=12): pixels must be smaller"),
        (lambda: affine(degrees=200), "affine(degrees=200): degrees must lie between 0 and 180"),
        (lambda: affine(translate=-1), "affine(translate=-1): translate must lie"),
        (lambda: affine(scale=1), "affine(scale=1): scale must be below 1"),
        (lambda: erase(size=2), "erase(size=2): size must lie between 0 and 1"),
    ],
)
def test_arguments_out_of_range_get_a_sentence(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).startswith(message)
