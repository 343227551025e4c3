"""Sentences through a language model, against the words that they hold."""

from __future__ import annotations

import ast
import functools
import importlib.util
import random
import re
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch

import latih
from latih import Recipe
from latih._recipe import Source
from latih._reuse import Reuse
from latih.train import predict
from latih.transfer import Told, prepare, run_job

from .spread import mean_sd, table

METHODS = {
    "words": "words counted (tf-idf) and a logistic regression",
    "words_mlp": "words counted and `mlp(depth=1)`",
    "minilm": "`hf:all-MiniLM-L6-v2`, output layer alone",
}
SETTINGS: dict[str, Any] = {
    "modules": ["asyncio", "email", "importlib", "logging", "unittest", "xml"],
    "words": [5, 40],
    "train": 50,
    "valid": 20,
    "test": 200,
    "epochs": 60,
    "lr": 0.001,
}
TEXT = """## Sentences through a language model

Which package of Python's standard library does a sentence come from? Sentences of {low} to {high} words from the
docstrings of {modules} (of the Python named below): {train} of each to train on, {valid} to validate, {test} to test;
every sentence occurs once. {seeds} seeds, which draw the sentences. The network is reused by `latih.fine_tune` with
`head(epochs={epochs})` at {lr}, which the phase multiplies by 10; its features are computed once. The regression's
strength (scikit-learn's `C`, of 0.1, 1, 10, 100) is chosen by validation, as are the epochs of the other two. Accuracy
in percent on {all} test sentences, mean ± standard deviation.

{rows}

The words themselves give much away here: sentences of one package share its vocabulary.
"""


def tasks(options: Namespace) -> list[dict[str, Any]]:
    """One a seed."""
    return [{"seed": seed} for seed in range(options.seeds)]


def run(task: dict[str, Any], options: Namespace) -> dict[str, Any]:
    """Test accuracy of each method."""
    parts = drawn(task["seed"])
    return {
        "words": _words(parts),
        "words_mlp": _words_mlp(parts, task["seed"]),
        "minilm": _minilm(parts, task["seed"], options.device),
    }


def section(rows: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """The section of the page."""
    counts = {name: settings[name] for name in ("train", "valid", "test", "epochs", "lr")}
    low, high = settings["words"]
    modules = settings["modules"]
    return TEXT.format(
        **counts,
        low=low,
        high=high,
        modules=", ".join(f"`{name}`" for name in modules[:-1]) + f" and `{modules[-1]}`",
        seeds=len(rows),
        all=settings["test"] * len(modules),
        rows=table(
            ["", "test accuracy"], [[name, mean_sd([row[key] for row in rows])] for key, name in METHODS.items()]
        ),
    )


def drawn(seed: int) -> dict[str, tuple[list[str], list[int]]]:
    """Part -> sentences and the numbers of their modules."""
    dice = random.Random(seed)
    sizes = [SETTINGS[name] for name in ("train", "valid", "test")]
    parts: dict[str, tuple[list[str], list[int]]] = {"train": ([], []), "valid": ([], []), "test": ([], [])}
    for label, lines in enumerate(sentences()):
        chosen = dice.sample(lines, sum(sizes))
        for (texts, labels), size in zip(parts.values(), sizes, strict=True):
            texts += chosen[:size]
            labels += [label] * size
            chosen = chosen[size:]
    return parts


@functools.cache
def sentences() -> list[list[str]]:
    """Of each module, in order; one that two modules share is left out."""
    found = [set(_of_module(name)) for name in SETTINGS["modules"]]
    return [sorted(one - set().union(*found[:place], *found[place + 1 :])) for place, one in enumerate(found)]


def _of_module(name: str) -> Iterator[str]:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    low, high = SETTINGS["words"]
    for file in sorted(Path(spec.origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(paragraph.split())):
                    if low <= len(sentence.split()) <= high and sentence.endswith(".") and ">>>" not in sentence:
                        yield sentence


def _words(parts: dict[str, tuple[list[str], list[int]]]) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    count = TfidfVectorizer(sublinear_tf=True).fit(parts["train"][0])
    x = {part: count.transform(texts) for part, (texts, _) in parts.items()}
    fitted = [LogisticRegression(C=c, max_iter=1000).fit(x["train"], parts["train"][1]) for c in (0.1, 1, 10, 100)]
    best = max(fitted, key=lambda one: one.score(x["valid"], parts["valid"][1]))
    return float(best.score(x["test"], parts["test"][1]))


def _words_mlp(parts: dict[str, tuple[list[str], list[int]]], seed: int) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer

    from latih.models import mlp

    count = TfidfVectorizer(sublinear_tf=True).fit(parts["train"][0])
    x = {part: torch.tensor(count.transform(texts).toarray()).float() for part, (texts, _) in parts.items()}
    y = {part: torch.tensor(labels) for part, (_, labels) in parts.items()}
    torch.manual_seed(seed)
    net = mlp(depth=1)(x["train"].shape[1:], len(SETTINGS["modules"]))
    recipe = Recipe(epochs=SETTINGS["epochs"], seed=seed, device="cpu")
    run = latih.train(net, (x["train"], y["train"]), (x["valid"], y["valid"]), recipe=recipe, progress=False)
    return (run.predict(x["test"]).argmax(1) == y["test"]).float().mean().item()


def _minilm(parts: dict[str, tuple[list[str], list[int]]], seed: int, device: str) -> float:
    """As `latih fine-tune train.csv --target module --valid valid.csv` does it, and `latih predict` on the rest."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part, (texts, labels) in parts.items():
            names = [SETTINGS["modules"][label] for label in labels]
            pl.DataFrame({"sentence": texts, "module": names}).write_csv(folder / f"{part}.csv")
        source = Source(str(folder / "train.csv"), target="module", valid=str(folder / "valid.csv"))
        recipe = Recipe(epochs=SETTINGS["epochs"], lr=SETTINGS["lr"], seed=seed, device=device)
        reuse = Reuse("hf:all-MiniLM-L6-v2", phases=f"head(epochs={SETTINGS['epochs']}, patience=10)")
        run_job(prepare(source, reuse, recipe), source, reuse, recipe, Told(folder / "run", say=_silent))
        answers = predict(folder / "run", folder / "test.csv").labels
    truth = [SETTINGS["modules"][label] for label in parts["test"][1]]
    return sum(one == other for one, other in zip(answers, truth, strict=True)) / len(truth)


def _silent(line: str) -> None:
    """Nobody wants to be told."""
