"""A folder of images becomes classes, parts and uint8 tensors."""

import msgspec
import pytest
import torch
from PIL import Image

from latih._checks import InputError
from latih.data._image_schema import ImageSchema
from latih.data._images import load_images
from latih.data._stream import StreamedImages
from latih.data._tensors import TensorExamples


def save(path, size=(8, 6), color=(200, 10, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten images; the value of every pixel is 10 * class + place."""
    root = tmp_path / "zoo"
    for label, name in enumerate(["cat2", "cat10"]):
        for place in range(10):
            save(root / name / ("deep" if place % 2 else ".") / f"{place}.png", color=10 * label + place, mode="L")
    return root


def pixels(examples):
    return examples.inputs[:, 0, 0, 0].tolist()


def test_subfolders_are_classes_in_natural_order_and_images_are_found_deep(folder):
    data = load_images(folder, valid_fraction=0.2)
    assert (data.name, data.task, data.classes) == ("zoo", "classification", ("cat2", "cat10"))
    assert (len(data.train), len(data.valid), data.test) == (16, 4, None)
    assert isinstance(data.train, TensorExamples)
    assert data.train.inputs.dtype == torch.uint8
    assert data.train.shape == (1, 6, 8)
    for part in (data.train, data.valid):
        assert [pixel // 10 for pixel in pixels(part)] == part.targets.tolist()
    assert sorted(pixels(data.train) + pixels(data.valid)) == list(range(20))
    assert data.valid.targets.tolist() == [0, 0, 1, 1]
    assert data.notes == ()


def test_the_seed_decides_what_is_held_out(folder):
    first, again, other = (pixels(load_images(folder, seed=seed, valid_fraction=0.4).valid) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("name", ["valid", "val", "Validation"])
def test_folders_named_train_valid_and_test_are_the_parts(tmp_path, name):
    for place, part in enumerate(["train", name, "test"]):
        for label, kind in enumerate(["a", "b"]):
            save(tmp_path / part / kind / "1.png", color=10 * place + label, mode="L")
    data = load_images(tmp_path)
    assert [pixels(part) for part in (data.train, data.valid, data.test)] == [[0, 1], [10, 11], [20, 21]]


def test_train_and_test_without_validation_hold_out_a_part_of_training(tmp_path):
    for part in ("train", "test"):
        for kind in ("a", "b"):
            for place in range(4):
                save(tmp_path / part / kind / f"{place}.png")
    data = load_images(tmp_path, valid_fraction=0.25)
    assert (len(data.train), len(data.valid), len(data.test)) == (6, 2, 8)


def test_a_second_folder_is_validation(folder, tmp_path):
    for name in ("cat2", "cat10"):
        save(tmp_path / "more" / name / "1.png", color=99, mode="L")
    data = load_images(folder, valid=tmp_path / "more")
    assert (len(data.train), pixels(data.valid)) == (20, [99, 99])


def test_validation_given_twice_is_refused(tmp_path, folder):
    for part in ("train", "valid"):
        save(tmp_path / "set" / part / "a" / "1.png")
    with pytest.raises(InputError, match="validation images are given twice"):
        load_images(tmp_path / "set", valid=folder)
    save(tmp_path / "set" / "val" / "a" / "1.png")
    with pytest.raises(InputError, match="validation images are given twice"):
        load_images(tmp_path / "set")


def test_classes_beside_the_parts_are_refused(tmp_path):
    for part in ("train", "valid", "cats"):
        save(tmp_path / part / "a" / "1.png")
    with pytest.raises(InputError, match="beside the parts train, valid and test there is 'cats'"):
        load_images(tmp_path)


def test_a_class_that_training_lacks_is_refused(folder, tmp_path):
    save(tmp_path / "more" / "dog" / "1.png")
    with pytest.raises(InputError, match="images of 'dog', which training does not have"):
        load_images(folder, valid=tmp_path / "more")


def test_hidden_files_are_ignored_and_others_counted(folder):
    (folder / "cat2" / ".DS_Store").write_text("x")
    (folder / ".hidden" / "deep").mkdir(parents=True)
    (folder / "cat2" / "labels.txt").write_text("x")
    (folder / "cat10" / "deep" / "Thumbs.db").write_text("x")
    (folder / "empty").mkdir()
    save(folder / "loose.png", mode="L", color=1)
    assert load_images(folder).notes == (
        "zoo: folders without images are no classes: 'empty'",
        "zoo: 1 images outside the class folders left out",
        "zoo: 2 files that are not images left out",
    )


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "images are nowhere in it; a folder needs one subfolder"),
        (["1.png"], "images lie right in it; a folder needs one subfolder"),
        (["a/1.png", "a/2.png"], "'a' is the only class"),
    ],
)
def test_a_folder_without_two_classes_is_refused(tmp_path, files, sentence):
    for name in files:
        save(tmp_path / name)
    with pytest.raises(InputError, match=sentence):
        load_images(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path, folder):
    with pytest.raises(InputError, match="there is no such folder"):
        load_images(tmp_path / "none")
    with pytest.raises(InputError, match="there is no such folder"):
        load_images(folder, valid=tmp_path / "none")


def test_links_that_lead_out_are_refused_and_links_inside_are_followed(folder, tmp_path):
    outside = save(tmp_path / "outside.png", color=7, mode="L")
    (folder / "cat2" / "inside.png").symlink_to(folder / "cat2" / "0.png")
    assert len(load_images(folder).train) + len(load_images(folder).valid) == 21
    link = folder / "cat2" / "link.png"
    for target, sentence in [(outside, "leads out of"), (tmp_path / "none.png", "leads nowhere"), (folder, "a folder")]:
        link.symlink_to(target)
        with pytest.raises(InputError, match=sentence):
            load_images(folder)
        link.unlink()


def test_a_linked_root_is_read(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert load_images(tmp_path / "link").name == "zoo"


def test_images_of_one_small_size_stay_and_others_become_64_square(folder):
    assert load_images(folder, size=5).train.shape == (1, 5, 5)
    save(folder / "cat2" / "big.png", size=(100, 80), mode="L", color=5)
    data = load_images(folder)
    assert data.train.shape == (1, 64, 64)
    assert "21 of 21 images are scaled to cover 64 x 64, and the centre cut out" in data.notes
    assert "20 of 21 images are enlarged for that" in data.notes


def test_images_of_one_large_size_become_64_square(tmp_path):
    for name in "aabb":
        save(tmp_path / name / f"{len(list(tmp_path.rglob('*.png')))}.png", size=(80, 80))
    assert load_images(tmp_path, valid_fraction=0.5).train.shape == (3, 64, 64)


def test_images_are_grey_only_if_all_are_stored_as_grey(folder):
    assert load_images(folder, color="rgb").train.shape[0] == 3
    save(folder / "cat2" / "color.png", color=(9, 9, 9))
    data = load_images(folder)
    assert data.train.shape[0] == 3
    assert "20 of 21 images are grey, and given three equal channels" in data.notes
    assert load_images(folder, color="grey").train.shape[0] == 1
    with pytest.raises(InputError, match="color must be one of auto, grey, rgb; did you mean 'grey'"):
        load_images(folder, color="gray")


def test_wrong_numbers_are_refused(folder):
    with pytest.raises(InputError, match=r"load_images\(size=0\): size must be at least 1"):
        load_images(folder, size=0)
    with pytest.raises(InputError, match=r"load_images\(workers=-1\): workers must be at least 0"):
        load_images(folder, workers=-1)


def test_images_that_do_not_fit_are_streamed(folder):
    exact = 20 * 6 * 8
    assert isinstance(load_images(folder, in_memory_bytes=exact).train, TensorExamples)
    assert isinstance(load_images(folder, in_memory_bytes=exact - 1).train, StreamedImages)


def test_progress_counts_every_image_once(folder):
    calls = []
    load_images(folder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 20) for done in range(1, 21)]


def test_a_schema_survives_json_and_reads_as_training_did(folder):
    data = load_images(folder)
    schema = msgspec.json.decode(msgspec.json.encode(data.schema), type=ImageSchema)
    assert schema == data.schema
    (folder / "cat2" / "labels.txt").write_text("x")
    inputs = schema.read(folder)
    assert inputs.ids[:6] == ["cat2/0.png", "cat2/2.png", "cat2/4.png", "cat2/6.png", "cat2/8.png", "cat2/deep/1.png"]
    assert inputs.values.shape == (20, 1, 6, 8)
    expected = [10 * (i.startswith("cat10")) + int(i.split("/")[-1][0]) for i in inputs.ids]
    assert inputs.values[:, 0, 0, 0].tolist() == expected


def test_a_schema_reads_one_image(tmp_path):
    inputs = ImageSchema((3, 4, 4)).read(save(tmp_path / "one.png"))
    assert inputs.ids == ["one.png"]
    assert inputs.values[0, :, 0, 0].tolist() == [200, 10, 30]


def test_a_schema_refuses_what_holds_no_image(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        ImageSchema((3, 4, 4)).read(tmp_path / "none")
    with pytest.raises(InputError, match="holds no image"):
        ImageSchema((3, 4, 4)).read(tmp_path)
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(InputError, match=r"x.txt: the image cannot be decoded"):
        ImageSchema((3, 4, 4)).read(tmp_path / "x.txt")
