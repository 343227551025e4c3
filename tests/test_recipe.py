"""Recipes: defaults, files, and the sentences about what is wrong in them."""

import pytest

from latih import InputError, Recipe
from latih._recipe import Source, read_toml, write_toml
from latih._reuse import Reuse


def test_a_recipe_survives_its_file(tmp_path):
    recipe = Recipe(epochs=3, lr=0.1, schedule="warmup(5) >> cosine()", compile=True)
    source = Source(data="a.csv", target="price", model="cnn(depth=2)")
    (tmp_path / "recipe.toml").write_bytes(write_toml(recipe, source))
    assert read_toml(tmp_path / "recipe.toml") == (recipe, source, None)
    (tmp_path / "reuse.toml").write_bytes(write_toml(recipe, source, Reuse(views=3)))
    assert read_toml(tmp_path / "reuse.toml").reuse == Reuse(views=3)
    assert Recipe.read(tmp_path / "recipe.toml") == recipe


def test_fields_that_a_file_lacks_keep_their_default(tmp_path):
    (tmp_path / "short.toml").write_text("epochs = 7\n")
    assert Recipe.read(tmp_path / "short.toml") == Recipe(epochs=7)


FILES = {
    "epoch = 3": "unknown field 'epoch'; did you mean 'epochs'",
    "epochs = 'many'": "Expected `int`, got `str`",
    "epochs = 0": "epochs must be a whole number, at least 1",
    "epochs 3": "not TOML",
    "optimizer = 'adamm()'": "did you mean 'adam'",
    "[source]\nmodle = 'mlp()'": "unknown field 'modle'; did you mean 'model'",
    "source = 3": "Expected `object`",
    "precision = 'float8'": "Invalid enum value 'float8'",
}


@pytest.mark.parametrize("content", FILES)
def test_a_wrong_file_is_one_sentence_that_names_it(content, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=FILES[content]) as caught:
        Recipe.read(path)
    assert "wrong.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        Recipe.read(tmp_path / "none.toml")


WRONG = {
    "epochs": (0, "epochs must be a whole number, at least 1"),
    "batch_size": (1.5, "must be a whole number"),
    "lr": (-1.0, "lr must be a number above 0"),
    "weight_decay": (-0.1, "weight_decay must be at least 0"),
    "patience": (-1, "patience must be a whole number, at least 0"),
    "optimizer": ("nagg()", "did you mean 'nag'"),
    "schedule": ("cosine() > power()", "not notation for schedules"),
    "clip": ("norm(lambda: 1)", "must be literals"),
    "init": ("hee()", "did you mean 'he'"),
    "precision": ("half", "precision must be one of"),
    "watch": ("loss ", "did you mean 'loss'"),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_one_sentence(field):
    value, sentence = WRONG[field]
    with pytest.raises(InputError, match=sentence):
        Recipe(**{field: value})
