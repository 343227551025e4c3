"""Notation that is not what it should be, from a flag."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from latih import InputError
from latih._notation import FAMILIES, build, names

TEXTS = {
    "nothing": "",
    "white space": " \n\t ",
    "two statements": "adam(); sgd()",
    "a lambda": "(lambda: 1)()",
    "an import": "__import__('os').mkdir('payload-ran')",
    "an import in an argument": "adam(lr=__import__('os').mkdir('payload-ran'))",
    "an attribute": "adam.__class__.__mro__",
    "an attribute of a call": "adam().__class__()",
    "a call of a call": "adam()()",
    "a walrus": "(x := adam())",
    "a comprehension": "[adam() for _ in range(9)]",
    "a formatted text": "adam(lr=f'{1/0}')",
    "arguments from a dict": "adam(**{'lr': 1})",
    "arguments from a list": "adam(*[1])",
    "arithmetic": "adam(lr=9**9**9)",
    "a name as a value": "adam(lr=nan)",
    "an infinite number": "adam(lr=1e999)",
    "an argument twice": "adam(lr=0.1, lr=0.2)",
    "text for a number": "adam(lr='fast')",
    "a dict for a number": "adam(lr={'a': 1})",
    "bytes for a number": "adam(lr=b'1')",
    "a complex number": "adam(lr=1j)",
    "nothing for a number": "adam(betas=None)",
    "a number for a pair": "adam(betas=1)",
    "a number beyond floats": "adam(lr=1" + "0" * 400 + ")",
    "a number of 5,000 digits": "adam(lr=" + "9" * 5000 + ")",
    "nesting beyond the stack": "(" * 100_000,
    "lists beyond the stack": "adam(lr=" + "[" * 500 + "]" * 500 + ")",
    "signs beyond the stack": "adam(lr=" + "-" * 1500 + "1)",
    "a chain of optimizers": "adam() >> sgd()",
    "a NUL": "adam()\0",
    "a lone surrogate": "adam\ud800()",
    "letters that look alike": "\u0430dam()",
    "a right-to-left mark": "\u202eadam()",
    "a comment": "# adam()",
    "a path of a module": "torch.optim:Adam",
}


@pytest.mark.parametrize("case", TEXTS)
def test_an_optimizer_is_refused(case, place, refused):
    said = refused(["train", "good.npz", "--optimizer", TEXTS[case]])
    assert len(said) < 1000
    assert not (place / "payload-ran").exists()


OTHERS = {
    "an absurd depth": (["--model", "mlp(depth=1000000000)"], "layers are more than"),
    "an absurd width": (["--model", "mlp(depth=3, width=1000000)"], "weights are more than"),
    "a width beyond 64 bits": (["--model", f"mlp(depth=3, width={10**30})"], "cannot be built"),
    "a chain of models": (["--model", "mlp() >> mlp()"], "cannot be joined"),
    "a colon and no module": (["--model", ":net"], "package.module:function"),
    "a module and no name": (["--model", "payload:"], "package.module:function"),
    "a module that is a path": (["--model", "../payload:net"], "importing"),
    "a chain too deep": (["--schedule", " >> ".join(["warmup(1)"] * 5000)], "not notation"),
    "a clip of NaN": (["--clip", "norm(nan)"], "must be literals"),
    "augmentation by another name": (["--augment", "os.system('true')"], "not notation"),
    "an activation of another family": (["--activation", "adam()"], "not a method of activations"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_notation_is_refused(case, refused):
    words, sentence = OTHERS[case]
    refused(["train", "good.npz", *words], names=sentence)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([10**400, -(10**40)]),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.sampled_from(FAMILIES), st.data(), st.lists(VALUES, max_size=3))
def test_no_literal_does_more_than_fail(family, data, values):
    name = data.draw(st.sampled_from(names(family)))
    _builds_or_refuses(family, f"{name}({', '.join(map(repr, values))})")


@given(st.sampled_from(FAMILIES), st.text(max_size=80) | st.text("adm(sg)=,.'[]{}*>-+0159e \n", max_size=80))
@example("schedules", "power(1) >> " * 60 + "power(1)")
def test_no_text_does_more_than_fail_to_build(family, text):
    _builds_or_refuses(family, text)


def _builds_or_refuses(family, text):
    said = ""
    try:
        build(family, text)
    except InputError as error:
        said = str(error)
    assert len(said) < 3000
