import gzip
import hashlib
import struct
import sys
from pathlib import Path

import pytest
import torch

from latih._checks import InputError
from latih.data import NAMED, ArraySchema, load
from latih.data import _fetch as fetching
from latih.data import _named as named
from latih.data._published import PARTS, PUBLISHED

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
needs_debian = pytest.mark.skipif(not DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")


def idx(values):
    return bytes([0, 0, 8, values.dim()]) + struct.pack(f">{values.dim()}I", *values.shape) + values.numpy().tobytes()


def small_set(train=40, test=20):
    """The four files' content: tiny pictures whose every pixel is their label."""
    content = []
    for count in (train, test):
        labels = (torch.arange(count) % 10).to(torch.uint8)
        content += [idx(labels[:, None, None].expand(count, 2, 3).contiguous()), idx(labels)]
    return content


def put(folder, contents, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in zip(PARTS, contents, strict=True):
        (folder / f"{part}{'.gz' * packed}").write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No set on this machine and no network: what `download` is asked for is recorded."""
    asked = []

    def download(url):
        asked.append(url)
        raise OSError("no network")

    monkeypatch.delenv("LATIH_DATA", raising=False)
    monkeypatch.setattr(named, "_SYSTEM", tmp_path / "system")
    monkeypatch.setattr(named, "user_cache_path", lambda _: tmp_path / "cache")
    monkeypatch.setattr(fetching, "download", download)
    return asked


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["own", "system", "cache"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_files_are_found_in_each_folder_without_a_download(alone, monkeypatch, tmp_path, packed, place, name):
    if place == "own":
        monkeypatch.setenv("LATIH_DATA", str(tmp_path / "own"))
    put(tmp_path / place / name, small_set(), packed)
    data = load(name, valid_fraction=0.25)
    assert alone == []
    assert (data.name, data.task, data.classes) == (name, "classification", PUBLISHED[name].classes)
    assert data.schema == ArraySchema((1, 2, 3), "uint8")
    assert (len(data.train), len(data.valid), len(data.test)) == (30, 10, 20)
    for part in (data.train, data.valid, data.test):
        assert part.targets.dtype == torch.int64
        assert torch.equal(part.inputs[:, 0, 1, 2].long(), part.targets)


def test_ones_own_folder_comes_before_the_system(alone, monkeypatch, tmp_path):
    monkeypatch.setenv("LATIH_DATA", str(tmp_path / "own"))
    put(tmp_path / "own" / "mnist", small_set(test=10))
    put(tmp_path / "system" / "mnist", small_set())
    assert len(load("mnist").test) == 10


def test_absent_and_offline_names_files_and_folders_in_one_sentence(alone, tmp_path):
    with pytest.raises(InputError) as error:
        load("mnist")
    sentence = str(error.value)
    assert sentence.startswith("load('mnist'): train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, ")
    assert f"{tmp_path / 'system' / 'mnist'} or {tmp_path / 'cache' / 'mnist'}" in sentence
    assert "no network" in sentence
    assert "'fashion-mini'" in sentence
    assert "\n" not in sentence
    assert len(alone) == 2  # both mirrors of the first file, and no more
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_download_is_checked_placed_in_the_cache_and_used_again(alone, monkeypatch, tmp_path, name):
    contents = dict(zip([f"{part}.gz" for part in PARTS], small_set(), strict=True))
    published = PUBLISHED[name]
    sums = tuple(
        hashlib.sha256(content if published.unpacked else gzip.compress(content, mtime=0)).hexdigest()
        for content in contents.values()
    )
    monkeypatch.setitem(
        PUBLISHED, name, type(published)(published.classes, ("http://a/", "http://b/"), sums, published.unpacked)
    )
    asked = []

    def download(url):
        asked.append(url)
        if url.startswith("http://a/"):
            return b"<html>moved</html>"  # a mirror that serves something else
        return gzip.compress(contents[url.rpartition("/")[2]], mtime=0)

    monkeypatch.setattr(fetching, "download", download)
    assert len(load(name).test) == 20
    assert len(asked) == 8
    assert sorted(path.name for path in (tmp_path / "cache" / name).iterdir()) == sorted(contents)
    assert len(load(name).test) == 20
    assert len(asked) == 8


def test_a_download_that_is_not_the_published_file_is_refused_and_leaves_nothing(alone, monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "download", lambda url: gzip.compress(small_set()[0]))
    with pytest.raises(InputError, match="not the published file, its SHA-256 is"):
        load("mnist")
    with pytest.raises(InputError, match="not the published file, its SHA-256 is"):
        load("fashion-mnist")
    assert not (tmp_path / "cache").exists()


def test_a_file_that_cannot_be_placed_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "download", lambda url: b"content")

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(fetching.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        fetching.fetch(["u"], tmp_path / "f.gz", hashlib.sha256(b"content").hexdigest(), unpacked=False)
    assert list(tmp_path.iterdir()) == []


def test_labels_and_pictures_that_do_not_fit_get_a_sentence(alone, tmp_path):
    contents = small_set()
    put(tmp_path / "cache" / "mnist", [contents[0], contents[3], contents[2], contents[3]])
    with pytest.raises(InputError, match="40 pictures and 20 labels up to 9"):
        load("mnist")
    high = idx(torch.full((40,), 10, dtype=torch.uint8))
    put(tmp_path / "cache" / "mnist", [contents[0], high, contents[2], contents[3]])
    with pytest.raises(InputError, match="each picture needs a label below 10"):
        load("mnist")


def test_the_embedded_set_is_balanced_and_needs_no_file(alone):
    data = load("fashion-mini", valid_fraction=0.2, seed=3)
    assert data.schema == ArraySchema((1, 28, 28), "uint8")
    assert [torch.bincount(part.targets).tolist() for part in (data.train, data.valid, data.test)] == [
        [800] * 10,
        [200] * 10,
        [200] * 10,
    ]
    assert data.train.inputs.dtype == torch.uint8
    assert alone == []
    assert named._MINI.stat().st_size <= 6_000_000
    assert "Zalando" in (named._MINI.parent / "LICENSE").read_text()


def test_the_same_seed_splits_alike_and_another_does_not():
    first, again, other = (load("fashion-mini", seed=seed).valid.inputs for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_named_set_is_described():
    assert set(NAMED) == {"fashion-mini", *PUBLISHED}


@needs_debian
def test_the_system_copy_of_fashion_mnist_is_the_published_one(monkeypatch):
    monkeypatch.delenv("LATIH_DATA", raising=False)
    published = PUBLISHED["fashion-mnist"]
    for part, sha256 in zip(PARTS, published.sums, strict=True):
        assert hashlib.sha256(gzip.decompress((DEBIAN / f"{part}.gz").read_bytes())).hexdigest() == sha256
    data = load("fashion-mnist")
    assert (len(data.train), len(data.valid), len(data.test)) == (54000, 6000, 10000)
    assert torch.bincount(data.valid.targets).tolist() == [600] * 10


@needs_debian
def test_the_embedded_set_is_the_first_of_each_class_in_the_order_of_the_files(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    import make_fashion_mini as script

    for part, (pictures, labels), each in (
        ("train", named._mini()[:2], script.TRAIN_EACH),
        ("t10k", named._mini()[2:], script.TEST_EACH),
    ):
        whole = [
            torch.frombuffer(
                bytearray(gzip.decompress((DEBIAN / f"{part}-{kind}-ubyte.gz").read_bytes())), dtype=torch.uint8
            )
            for kind in ("images-idx3", "labels-idx1")
        ]
        seen, chosen = [0] * 10, []
        for place, label in enumerate(whole[1][8:].tolist()):
            if seen[label] < each:
                seen[label] += 1
                chosen.append(place)
        assert torch.equal(labels, whole[1][8:][chosen])
        assert torch.equal(pictures[:, 0], whole[0][16:].view(-1, 28, 28)[chosen])
    sys.modules.pop("make_fashion_mini")
    for name in ("a.npz", "b.npz"):
        script.pack(DEBIAN, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
