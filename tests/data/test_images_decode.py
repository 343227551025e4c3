"""What a file holds becomes the pixels that are seen, and a broken file is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from latih._checks import InputError
from latih.data._decode import decode, read_header, read_headers
from latih.data._images import load_images


@pytest.fixture
def picture():
    """A smooth image of 40 x 30 with different gradients in each channel."""
    y, x = np.mgrid[:30, :40]
    return np.stack([x * 6, y * 8, 255 - x * 3 - y * 3], axis=-1).astype(np.uint8)


def stored(tmp_path, array, name="i.png", **options):
    path = tmp_path / name
    Image.fromarray(array).save(path, **options)
    return path


def test_a_png_of_the_right_size_is_unchanged(tmp_path, picture):
    image = decode(stored(tmp_path, picture), (3, 30, 40))
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, torch.from_numpy(picture).permute(2, 0, 1))


def test_the_centre_is_cut_out_and_sides_keep_their_proportion(tmp_path):
    array = np.zeros((20, 60), np.uint8)
    array[:, 20:40] = 255  # the middle third, a square
    assert decode(stored(tmp_path, array), (1, 20, 20)).eq(255).all()
    assert decode(stored(tmp_path, array), (1, 10, 10)).float().mean() > 240
    assert decode(stored(tmp_path, array.T.copy()), (1, 20, 20)).eq(255).all()


def test_shrinking_averages_rather_than_picks(tmp_path):
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    assert decode(stored(tmp_path, checks), (1, 8, 8))[0, 1:-1, 1:-1].float().sub(127.5).abs().max() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, picture, orientation):
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, tolerance in (("i.png", 0), ("i.jpg", 12)):
        options = {} if name == "i.png" else {"quality": 95}
        path = stored(tmp_path, np.ascontiguousarray(undo[orientation](picture)), name, exif=exif, **options)
        header = read_header(path)
        assert (header.width, header.height) == (40, 30)
        difference = decode(path, (3, 30, 40)).int() - torch.from_numpy(picture).permute(2, 0, 1).int()
        assert difference.abs().max() <= tolerance


def test_transparency_is_composited_on_white(tmp_path):
    array = np.zeros((4, 4, 4), np.uint8)
    array[:, 2:, 3] = 255  # black, opaque on the right
    path = stored(tmp_path, array)
    assert read_header(path).transparent
    assert decode(path, (3, 4, 4))[:, 0].tolist() == [[255, 255, 0, 0]] * 3
    assert decode(path, (1, 4, 4))[0, 0].tolist() == [255, 255, 0, 0]
    grey = Image.new("LA", (2, 1), (100, 0))
    grey.putpixel((1, 0), (100, 255))
    grey.save(tmp_path / "la.png")
    assert decode(tmp_path / "la.png", (1, 1, 2)).flatten().tolist() == [255, 100]
    assert read_header(tmp_path / "la.png").grey


def test_a_transparent_palette_is_composited_on_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    assert decode(tmp_path / "p.png", (3, 1, 2)).flatten(1).T.tolist() == [[255] * 3, [40, 50, 60]]


def test_sixteen_bits_are_cut_to_eight(tmp_path):
    array = np.array([[0, 256, 32768, 65535]], np.uint16)
    path = stored(tmp_path, array)
    assert read_header(path).grey
    assert decode(path, (1, 1, 4)).flatten().tolist() == [0, 1, 128, 255]
    assert decode(path, (3, 1, 4))[2].flatten().tolist() == [0, 1, 128, 255]


def test_one_bit_and_cmyk_are_converted(tmp_path):
    Image.new("1", (3, 2), 1).save(tmp_path / "b.png")
    assert decode(tmp_path / "b.png", (1, 2, 3)).eq(255).all()
    Image.new("CMYK", (16, 16), (0, 0, 0, 255)).save(tmp_path / "c.jpg")
    assert decode(tmp_path / "c.jpg", (3, 16, 16)).eq(0).all()


def test_floating_point_images_are_refused(tmp_path):
    path = stored(tmp_path, np.zeros((4, 4), np.float32), "f.tiff")
    with pytest.raises(InputError, match=r"f.tiff: the image has 32 bits a channel \(mode F\); convert it to 8 bits"):
        read_header(path)


def test_a_large_jpeg_decoded_at_a_reduced_scale_looks_the_same(tmp_path):
    y, x = np.mgrid[:600, :800]
    array = np.stack([x * 255 // 800, y * 255 // 600, (x + y) * 255 // 1400], axis=-1).astype(np.uint8)
    small = decode(stored(tmp_path, array, "big.jpg", quality=95), (3, 32, 32)).int()
    exact = decode(stored(tmp_path, array, "big.png"), (3, 32, 32)).int()
    assert (small - exact).abs().max() <= 6


def test_the_first_frame_of_several_is_taken(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in (50, 150)]
    for name, kind in (("a", "gif"), ("b", "gif")):
        (tmp_path / name).mkdir()
        for place in range(2):
            frames[0].save(tmp_path / name / f"{place}.{kind}", save_all=True, append_images=frames[1:])
    data = load_images(tmp_path, valid_fraction=0.5)
    assert data.train.inputs.eq(50).all()
    assert "4 of 4 images are of several frames, of which the first is taken" in data.notes


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_an_image_cut_short_is_named(tmp_path, ending, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    path = stored(tmp_path, noise, f"cut.{ending}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=rf"cut\.{ending}: the image cannot be decoded") as refusal:
        decode(path, (3, 40, 40))
    assert "\n" not in str(refusal.value)


def test_a_broken_image_among_many_is_named(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for place in range(8):
            Image.new("RGB", (30, 30), (place, 0, 0)).save(tmp_path / name / f"{place}.png")
    path = tmp_path / "b" / "3.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"b/3.png: the image cannot be decoded .*; replace or delete"):
        load_images(tmp_path)
    path.write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"b/3.png: the image cannot be decoded"):
        load_images(tmp_path, in_memory_bytes=0)


@pytest.mark.parametrize("pixels", [150, 350])  # Pillow warns above its limit and refuses above twice of it
def test_decompression_bombs_are_refused(tmp_path, monkeypatch, pixels):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = stored(tmp_path, np.zeros((1, pixels), np.uint8), "bomb.png")
    with pytest.raises(InputError, match=r"bomb.png: the image has more than 100 pixels"):
        read_headers([path] * 4, threads=2)
