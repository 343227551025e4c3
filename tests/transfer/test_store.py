"""Features on the disk are the features in memory; what is found there is used only if it is whole and right."""

import gc
import os
import shutil
import subprocess
import sys
import textwrap
import tracemalloc
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import TensorDataset

import latih
from latih._checks import InputError
from latih.data import TensorExamples, as_examples
from latih.data.augment import Augment, affine, erase, flip, shift
from latih.train import Recipe
from latih.transfer import _store
from latih.transfer._features import cached
from latih.transfer._fingerprint import fingerprint
from latih.transfer._mapped import MappedExamples
from latih.transfer._store import Layout, damage, prune, rows_of, size, write

CPU = torch.device("cpu")


class Body(nn.Module):
    """Counts its passes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.passes = 0
        self.layer, self.norm = nn.Linear(12, 7), nn.BatchNorm1d(7)

    def forward(self, x):
        self.passes += 1
        return self.norm(self.layer(x.flatten(1).float()))


def network():
    return nn.Sequential(Body(), nn.LeakyReLU(0.1), nn.Linear(7, 3)).eval().requires_grad_(False)


def examples(n=50, dtype=torch.float32):
    torch.manual_seed(1)
    return TensorExamples((torch.rand(n, 3, 2, 2) * 255).to(dtype), torch.randint(0, 3, (n,)))


def on_disk(folder, model=None, data=None, **options):
    options = dict(device="cpu", batch_size=16, keep="disk", folder=folder, say=pytest.fail) | options
    return cached(model or network(), "2", data or examples(), **options)


def everything(features):
    (batch,) = features.batches(torch.arange(len(features)), len(features))
    return batch.inputs


def files(folder):
    return sorted(folder.glob("*.features"))


# --- the same as in memory


@pytest.mark.parametrize("views", [0, 3])
def test_the_disk_gives_what_memory_gives_bit_for_bit(views, tmp_path):
    options = dict(views=views, augment=flip() >> shift(1)) if views else {}
    mapped = on_disk(tmp_path, **options)
    kept = cached(network(), "2", examples(), device="cpu", batch_size=16, **options)
    assert isinstance(mapped, MappedExamples)
    assert (mapped.shape, len(mapped)) == (kept.shape, len(kept)) == ((7,), 50)
    assert torch.equal(mapped.targets, kept.targets)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))[:33]
    for view in range(max(views, 1)):
        mapped.view = kept.view = view
        pairs = list(zip(mapped.batches(order, 10), kept.batches(order, 10), strict=True))
        assert len(pairs) == 4
        assert all(torch.equal(one, two) for pair in pairs for one, two in zip(*pair, strict=True))
    assert list(mapped.batches(torch.arange(0), 4)) == []


def test_both_train_a_head_to_the_same_weights(tmp_path):
    heads = []
    for features in (on_disk(tmp_path), cached(network(), "2", examples(), device="cpu", batch_size=16)):
        head = network()[2].requires_grad_(True)
        latih.train(head, features, features, recipe=Recipe(epochs=3, batch_size=8), progress=False)
        heads.append(head.weight)
    assert torch.equal(*heads)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8, torch.bool, torch.complex64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_rows_of_any_kind_come_back_as_they_went(dtype, shape, tmp_path):
    rows = (torch.rand(9, *shape) * 5).to(dtype)
    layout = Layout(9, shape, dtype)
    write(tmp_path / "a.features", [rows[:4], rows[4:]], layout)
    assert damage(tmp_path / "a.features", layout) is None
    mapped = MappedExamples(tmp_path / "a.features", layout, torch.arange(9))
    assert torch.equal(everything(mapped), rows)
    assert mapped.shape == shape


def test_computing_holds_a_few_batches_however_many_examples_there_are(tmp_path):
    largest = 0

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            nonlocal largest
            made = function(*arguments, **(keywords or {}))
            if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() != whole:
                largest = max(largest, made.untyped_storage().nbytes())
            return made

    class Wide(nn.Module):
        def forward(self, x):
            return x.repeat(1, 1000)

    data = TensorExamples(torch.randn(2000, 1), torch.zeros(2000, dtype=torch.long))
    whole = data.inputs.untyped_storage().data_ptr()
    model = nn.Sequential(Wide(), nn.Linear(1000, 2))
    tracemalloc.start()
    with Watching():
        features = cached(model, "1", data, device="cpu", batch_size=8, limit=1000, folder=tmp_path)
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(features, MappedExamples)
    assert files(tmp_path)[0].stat().st_size > features.layout.bytes == 2000 * 1000 * 4
    assert largest == 8 * 1000 * 4  # one batch of features; all of them take 250 times that
    assert grown < features.layout.bytes / 4


# --- found again


def test_features_are_computed_once_for_the_same_model_and_data(tmp_path):
    told = []
    first = on_disk(tmp_path)
    model = network()
    again = on_disk(tmp_path, model, progress=lambda done, total: told.append((done, total)))
    assert model[0].passes == 1  # the first batch, to see that the file holds what the model computes
    assert told == [(16, 50), (50, 50)]
    assert again.path == first.path
    assert torch.equal(everything(again), everything(first))
    assert torch.equal(again.targets, examples().targets)


def test_another_batch_size_finds_the_same_features(tmp_path):
    on_disk(tmp_path)
    on_disk(tmp_path, model := network(), batch_size=7)
    assert model[0].passes == 1


def changed_weight(model, data, options):
    model[0].layer.weight[3, 4] += 1e-3


def changed_statistic(model, data, options):
    model[0].norm.running_mean[2] += 1e-3


def changed_setting(model, data, options):
    model[1].negative_slope = 0.2


def changed_pixel(model, data, options):
    data.inputs[49, 2, 1, 0] += 1


def changed_precision(model, data, options):
    options["precision"] = "bfloat16"


def changed_input_stage(model, data, options):
    model[0].register_buffer("mean", torch.zeros(1))


@pytest.mark.parametrize(
    "change",
    [changed_weight, changed_statistic, changed_setting, changed_pixel, changed_precision, changed_input_stage],
)
def test_another_input_has_another_key(change, tmp_path):
    on_disk(tmp_path)
    model, data, options = network(), examples(), {}
    change(model, data, options)
    on_disk(tmp_path, model, data, **options)
    assert model[0].passes == 4
    assert len(files(tmp_path)) == 2


def test_what_the_head_has_learnt_and_the_targets_are_not_part_of_the_key(tmp_path):
    on_disk(tmp_path)
    model, data = network(), examples()
    model[2].weight.zero_()
    data.targets.zero_()
    features = on_disk(tmp_path, model, data)
    assert model[0].passes == 1
    assert torch.equal(features.targets, torch.zeros(50, dtype=torch.long))


def test_augmentations_are_told_apart_by_what_they_hold():
    def key(augment, views=2, seed=0):
        return fingerprint(network(), "2", examples(), device=CPU, augment=augment, views=views, seed=seed)

    different = [flip(), flip(0.2), shift(1), shift(2), erase(), erase(0.3), affine(), affine(5.0), flip() >> shift(1)]
    keys = [key(augment) for augment in different] + [key(flip(), views=3), key(flip(), seed=1), key(None, views=0)]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert [key(augment) for augment in (flip(), shift(2))] == [keys[0], keys[3]]
    noise = torch.randn(1)
    assert key(Augment((lambda images, draws: images + noise,))) is None


def test_images_in_files_are_known_by_path_size_and_time(tmp_path):
    for name in "ab":
        (tmp_path / "images" / name).mkdir(parents=True)
        for place in range(6):
            pixels = np.full((2, 2, 3), 20 * place, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{place}.png")

    def key():
        # streamed, whatever their size
        from latih.data._images import load_images

        data = load_images(tmp_path / "images", in_memory_bytes=0).train
        return fingerprint(network(), "2", data, device=CPU), data

    first, data = key()
    assert first is not None
    assert key()[0] == first
    os.utime(data.paths[0], (1, 1))
    assert key()[0] != first
    on_disk(tmp_path / "cache", data=data)
    on_disk(tmp_path / "cache", model := network(), data)
    assert model[0].passes == 1


def test_examples_without_a_name_are_not_found_again_and_their_file_goes_with_them(tmp_path):
    data = examples()
    dataset = as_examples(TensorDataset(data.inputs, data.targets))
    features = on_disk(tmp_path, data=dataset)
    assert torch.equal(everything(features), everything(on_disk(tmp_path, data=data)))
    assert torch.equal(features.targets, data.targets)
    assert len(files(tmp_path)) == 2
    del features
    gc.collect()
    assert len(files(tmp_path)) == 1


def test_a_changed_method_of_the_model_is_noticed_though_it_has_no_key(tmp_path):
    on_disk(tmp_path)
    model, said = network(), []
    model[0].forward = lambda x: 2 * Body.forward(model[0], x)
    features = on_disk(tmp_path, model, say=said.append)
    assert model[0].passes == 4
    (line,) = said
    assert line.endswith("does not hold what the model computes now; the features are computed again.")
    torch.testing.assert_close(everything(features), 2 * everything(on_disk(tmp_path / "other")), rtol=1e-4, atol=1e-4)


# --- damage


def flipped_bit(content):
    return content[:700] + bytes([content[700] ^ 1]) + content[701:]


@pytest.mark.parametrize(
    ("harm", "clause"),
    [
        (flipped_bit, "is damaged: its checksum does not fit"),
        (lambda content: content[:-100], "is not the whole of these features"),
        (lambda content: content[:500], "is not the whole of these features"),
        (lambda content: content + b"x", "is not the whole of these features"),
        (lambda content: content.replace(b'"rows":50', b'"rows":51'), "is not the whole of these features"),
        (lambda content: content.replace(b'"rows"', b"{rows}"), "is not the whole of these features"),
        (lambda content: b"", "is not the whole of these features"),
    ],
    ids=["a bit", "cut", "cut short", "longer", "other rows", "unreadable", "empty"],
)
def test_a_damaged_file_is_computed_again_and_a_line_says_so(harm, clause, tmp_path):
    expected = everything(on_disk(tmp_path))
    (file,) = files(tmp_path)
    file.write_bytes(harm(file.read_bytes()))
    model, said = network(), []
    assert torch.equal(everything(on_disk(tmp_path, model, say=said.append)), expected)
    assert said == [f"{file} {clause}; the features are computed again."]
    assert model[0].passes == 4
    on_disk(tmp_path, model := network())
    assert model[0].passes == 1


def test_the_line_is_a_warning_where_nobody_listens(tmp_path):
    on_disk(tmp_path)
    files(tmp_path)[0].write_bytes(b"")
    with pytest.warns(UserWarning, match="the features are computed again"):
        cached(network(), "2", examples(), device="cpu", batch_size=16, keep="disk", folder=tmp_path)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_breaks_off_leaves_nothing(error, tmp_path):
    def stop(done, total):
        if done > 30:
            raise error

    with pytest.raises(error):
        on_disk(tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_leaves_is_not_trusted(tmp_path):
    code = f"""
        import importlib.util, os, pathlib, sys, torch
        spec = importlib.util.spec_from_file_location("store", {_store.__file__!r})  # alone, for it starts quicker
        sys.modules["store"] = store = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(store)
        parts = (torch.zeros(16, 7) if place < 3 else os._exit(9) for place in range(4))
        store.write(pathlib.Path({str(tmp_path)!r}, "a.features"), parts, store.Layout(64, (7,), torch.float32))
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    on_disk(tmp_path, model := network())
    assert model[0].passes == 4
    assert left.exists()  # it might be another run's, still writing
    os.utime(left, (1, 1))
    assert prune(tmp_path) == [left]


# --- room


def test_a_full_disk_is_one_sentence_before_anything_is_computed(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1399))
    model = network()
    with pytest.raises(InputError) as refused:
        on_disk(tmp_path, model)
    assert str(refused.value) == (
        f"the features take 1.4 KiB and {tmp_path} has 1.4 KiB free; train without them by cache=False, "
        "or name a folder with more room."
    )
    assert model[0].passes == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 0, 1400))
    on_disk(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written to .*file.*; train without them by cache=False"):
        on_disk(tmp_path / "file")


def test_the_disk_that_fills_meanwhile_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot be written to .*: No space left on device"):
        on_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_go_first_and_the_last_one_stays(tmp_path):
    def make(name, used, count=100):
        file = tmp_path / f"{name}.features"
        file.write_bytes(bytes(count))
        os.utime(file, (used, used))
        return file

    oldest, used, newest = make("a", 1), make("b", 3), make("c", 2)
    (tmp_path / "other.txt").write_text("not ours")
    assert prune(tmp_path, keep_bytes=300) == []
    assert prune(tmp_path, keep_bytes=299) == [oldest]
    assert prune(tmp_path, keep_bytes=0) == [newest]
    assert sorted(tmp_path.iterdir()) == [used, tmp_path / "other.txt"]


def test_finding_features_makes_them_the_most_recently_used(tmp_path):
    old, new = on_disk(tmp_path).path, on_disk(tmp_path, data=examples(20)).path
    os.utime(old, (1, 1))
    on_disk(tmp_path)
    assert prune(tmp_path, keep_bytes=0) == [new]


def test_features_in_use_stay_readable_when_their_file_goes(tmp_path):
    features = on_disk(tmp_path)
    expected = everything(features).clone()
    features.path.unlink()
    assert torch.equal(everything(features), expected)


def test_the_user_s_cache_is_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("latih.transfer._features.user_cache_path", lambda name: tmp_path / name)
    features = on_disk(None)
    assert features.path.parent == tmp_path / "latih" / "features"


def test_a_batch_reads_its_own_rows_and_nothing_else(tmp_path):
    features = on_disk(tmp_path)
    assert isinstance(rows_of(features.path, features.layout).base, np.memmap)
    (batch,) = features.batches(torch.tensor([3, 1]), 2)
    assert batch.inputs.untyped_storage().nbytes() == 2 * 7 * 4


def test_sizes_are_in_the_unit_that_suits_them():
    assert [size(count) for count in (0, 1023, 1024, 1536 * 2**20, 5 * 2**40, 2**60)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "1.5 GiB",
        "5.0 TiB",
        "1048576.0 TiB",
    ]
