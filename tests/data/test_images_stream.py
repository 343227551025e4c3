"""Streamed images are the bytes that images in memory are, whoever decodes them."""

import numpy as np
import pytest
import torch
from PIL import Image

from latih._checks import InputError
from latih.data._images import load_images
from latih.data._stream import StreamedImages


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / name).mkdir()
        for place in range(9):
            array = noise.integers(0, 256, (20 + place, 30, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / name / f"{place}.{'jpg' if place % 2 else 'png'}")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_equals_in_memory_byte_for_byte(folder, workers):
    kept = load_images(folder, size=16)
    streamed = load_images(folder, size=16, workers=workers, in_memory_bytes=0)
    assert isinstance(streamed.train, StreamedImages)
    assert streamed.schema == kept.schema
    for part, other in ((kept.train, streamed.train), (kept.valid, streamed.valid)):
        assert (len(other), other.shape) == (len(part), part.shape)
        assert torch.equal(other.targets, part.targets)
        order = torch.randperm(len(part), generator=torch.Generator().manual_seed(3))
        batches, others = list(part.batches(order, 4)), list(other.batches(order, 4))
        assert len(batches) == len(others) == -(-len(part) // 4)
        for batch, same in zip(batches, others, strict=True):
            assert all(torch.equal(one, two) for one, two in zip(batch, same, strict=True))
            assert [one.dtype for one in batch] == [two.dtype for two in same]


def test_streaming_leaves_the_random_state_as_it_was(folder):
    examples = load_images(folder, size=16, in_memory_bytes=0).train
    before = torch.get_rng_state()
    assert len(list(examples.batches(torch.arange(len(examples)), 5))) > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_an_order_may_repeat_leave_out_and_be_empty(folder):
    examples = load_images(folder, size=16, in_memory_bytes=0).train
    batches = list(examples.batches(torch.tensor([3, 3, 0]), 2))
    assert [batch.indices.tolist() for batch in batches] == [[3, 3], [0]]
    assert torch.equal(batches[0].inputs[0], batches[0].inputs[1])
    assert list(examples.batches(torch.arange(0), 2)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_later_is_named_in_one_sentence(folder, workers):
    examples = load_images(folder, size=16, workers=workers, in_memory_bytes=0).train
    for path in folder.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"\d\.png: the image cannot be decoded .*; replace or delete") as refusal:
        list(examples.batches(torch.arange(len(examples)), 4))
    assert "\n" not in str(refusal.value)


def test_wrong_numbers_are_refused(folder):
    with pytest.raises(InputError, match=r"StreamedImages\(workers=-1\)"):
        StreamedImages([], torch.arange(0), (1, 2, 2), workers=-1)
    with pytest.raises(InputError, match=r"batches\(batch_size=0\)"):
        list(load_images(folder, in_memory_bytes=0).train.batches(torch.arange(2), 0))
