"""Folders of images that are not what they should be."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

NOISE = np.random.default_rng(0).integers(0, 255, (16, 16), dtype=np.uint8)


def picture(mode="L", kind="png", size=(16, 16), **options):
    buffer = io.BytesIO()
    image = Image.fromarray(NOISE).convert("L").resize(size)
    image = image.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr", "LAB", "HSV") else image.convert(mode)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, data=b"", depth=8, colour=0, before=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def bmp(width, height):
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0" * 6 + b"\x2c" + b"\0" * 4


PNG = picture()
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(payload-ran) (w) file closefile\n%%EOF\n"
IMAGES = {
    "no bytes": (b"", "cannot be decoded"),
    "text": (b"hello", "cannot be decoded"),
    "HTML": (b"<!doctype html><html>Not found</html>", "cannot be decoded"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be decoded"),
    "PostScript, which another program would draw": (EPS, "cannot be decoded"),
    "PDF": (b"%PDF-1.4\n%%EOF\n", "cannot be decoded"),
    "a pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "cannot be decoded"),
    "a signature alone": (PNG[:8], "cannot be decoded"),
    "a PNG cut in its header": (PNG[:20], "cannot be decoded"),
    "a PNG cut in the middle": (PNG[: len(PNG) // 2], "cannot be decoded"),
    "a PNG with a wrong sum": (PNG[:29] + b"\0\0\0\0" + PNG[33:], "cannot be decoded"),
    "a PNG of no width": (png(0, 16), "cannot be decoded"),
    "a PNG without values": (png(16, 16), "cannot be decoded"),
    "a PNG with too few values": (png(16, 16, b"\0" * 40), "cannot be decoded"),
    "a PNG of values that are no zlib": (PNG.replace(b"IDATx", b"IDATy"), "cannot be decoded"),
    "a PNG of an unknown colour": (png(16, 16, b"\0" * 300, colour=5), "cannot be decoded"),
    "a PNG of 99 bits": (png(16, 16, b"\0" * 300, depth=99), "cannot be decoded"),
    "a PNG bomb": (png(60_000, 60_000), "decompression bomb"),
    "a PNG of the largest sides": (png(2**31 - 1, 2**31 - 1), "decompression bomb|cannot be decoded"),
    "a PNG just beyond the limit": (png(10_000, 9_000), "decompression bomb"),
    "a PNG with a text bomb": (
        png(16, 16, b"\0" * 300, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 2**22))),
        "cannot be decoded",
    ),
    "a BMP bomb": (bmp(100_000, 100_000), "decompression bomb"),
    "a BMP of a negative width": (bmp(-16, 16), "cannot be decoded|decompression bomb"),
    "a GIF bomb": (gif(60_000, 60_000), "decompression bomb|cannot be decoded"),
    "a GIF without a frame": (gif(16, 16)[:19], "cannot be decoded"),
    "a PPM bomb": (b"P6 60000 60000 255\n", "decompression bomb"),
    "a PPM of words": (b"P6 wide high 255\n", "cannot be decoded"),
    "a PPM that is cut": (b"P6 16 16 255\n" + b"\0" * 9, "cannot be decoded"),
    "a JPEG cut in the middle": (picture(kind="jpeg")[:200], "cannot be decoded"),
    "a JPEG of two bytes": (b"\xff\xd8", "cannot be decoded"),
    "a TIFF that points at itself": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "cannot be decoded"),
    "a TIFF that is cut": (picture(kind="tiff")[:60], "cannot be decoded"),
    "a WebP that is cut": (picture(mode="RGB", kind="webp")[:40], "cannot be decoded"),
    "32 bits a channel": (picture(mode="F", kind="tiff"), "32 bits a channel"),
    "32-bit whole numbers": (picture(mode="I", kind="tiff"), "32 bits a channel"),
}


@pytest.fixture
def photos(place):
    """Two classes of five good images."""
    for name in ("cat", "dog"):
        (place / "photos" / name).mkdir(parents=True)
        for k in range(5):
            (place / "photos" / name / f"{k}.png").write_bytes(PNG)
    return place / "photos"


@pytest.mark.parametrize("case", IMAGES)
def test_an_image_is_refused_by_name(case, photos, refused):
    content, sentence = IMAGES[case]
    (photos / "dog" / "3.png").write_bytes(content)
    assert "photos/dog/3.png" in refused("train photos", names=sentence)
    assert not (photos.parent / "payload-ran").exists()


ODD = {
    "CMYK": picture(mode="CMYK", kind="jpeg"),
    "16 bits": picture(mode="I;16", kind="png"),
    "1 bit": picture(mode="1"),
    "a palette": picture(mode="P"),
    "transparency": picture(mode="LA"),
    "LAB": picture(mode="LAB", kind="tiff"),
    "one pixel": picture(size=(1, 1)),
    "one row": picture(size=(4000, 1)),
    "a JPEG under another ending": picture(kind="jpeg"),
    "several frames": picture(kind="gif", save_all=True, append_images=[Image.new("L", (16, 16), 9)]),
    "bytes after its end": PNG + b"hello" * 99,
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_image_is_read_all_the_same(case, photos):
    from latih.data import load

    (photos / "dog" / "3.png").write_bytes(ODD[case])
    assert len(load(photos, size=8, valid_fraction=0.2).train) == 8


def _only_cats(photos):
    for path in (photos / "dog").iterdir():
        path.unlink()


def _out(photos):
    (photos.parent / "outside.png").write_bytes(PNG)
    (photos / "dog" / "9.png").symlink_to("../../outside.png")


def _valid_of_others(photos):
    (photos / "train").mkdir()
    for name in ("cat", "dog"):
        (photos / name).rename(photos / "train" / name)
    (photos / "valid" / "bird").mkdir(parents=True)
    (photos / "valid" / "bird" / "0.png").write_bytes(PNG)


def _not_utf8(photos):
    os.mkdir(os.fsencode(photos) + b"/\xff\xfe")
    with open(os.fsencode(photos) + b"/\xff\xfe/0.png", "wb") as file:
        file.write(PNG)


FOLDERS = {
    "one class": (_only_cats, "only class"),
    "a link to an image outside": (_out, "leads out of photos"),
    "a link to a secret": (lambda photos: (photos / "dog" / "9.png").symlink_to("/etc/passwd"), "leads out of photos"),
    "a link to a folder outside": (lambda photos: (photos / "bird").symlink_to("/etc"), "leads out of photos"),
    "a link to its own parent": (lambda photos: (photos / "dog" / "again").symlink_to(".."), "not followed"),
    "a link to another class": (lambda photos: (photos / "bird").symlink_to("cat"), "not followed"),
    "a link in a circle": (lambda photos: (photos / "dog" / "9.png").symlink_to("9.png"), "leads nowhere"),
    "a link to a device": (lambda photos: (photos / "dog" / "9.png").symlink_to("/dev/zero"), "leads out of photos"),
    "validation of a class that is new": (_valid_of_others, "training does not have"),
    "a class whose name is not UTF-8": (_not_utf8, "not UTF-8"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_is_refused(case, photos, refused):
    change, sentence = FOLDERS[case]
    change(photos)
    assert "photos" in refused("train photos", names=sentence)


def test_a_pipe_among_the_images_is_passed_over(photos):
    from latih.data import load

    os.mkfifo(photos / "dog" / "9.png")
    assert "1 files that are not images" in " ".join(load(photos, valid_fraction=0.2).notes)


def test_a_size_beyond_reason_is_refused(photos, refused):
    refused("train photos --size 1000000000", names="size must lie between 1 and 4096")


def test_a_broken_image_to_predict_is_refused(photos, refused):
    from latih.cli import main

    assert (
        main(
            [
                "train",
                "photos",
                "--model",
                "mlp(depth=1,width=4)",
                "--epochs",
                "1",
                "--batch-size",
                "4",
                "--out",
                "pictures",
            ]
        )
        == 0
    )
    (photos / "dog" / "3.png").write_bytes(PNG[:60])
    assert "photos/dog/3.png" in refused("predict pictures photos", names="cannot be decoded")
    (photos / "dog" / "3.png").write_bytes(png(60_000, 60_000))
    refused("predict pictures photos/dog/3.png", names="decompression bomb")
