"""Arguments that make no activation."""

import pytest

from latih import activations as act
from latih._checks import InputError


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: act.leaky_relu(1.5), r"leaky_relu\(slope=1.5\): slope must lie between 0 and 1\."),
        (lambda: act.leaky_relu(float("nan")), r"leaky_relu\(slope=nan\): slope must lie"),
        (lambda: act.leaky_relu("0.2"), r"leaky_relu\(slope='0.2'\): slope must lie"),
        (lambda: act.prelu(-0.1), r"prelu\(slope=-0.1\)"),
        (lambda: act.rrelu(0.5, 0.25), r"rrelu\(lower=0.5, upper=0.25\): lower must not exceed upper; swap them\."),
        (lambda: act.rrelu(upper=2.0), r"rrelu\(upper=2.0\): upper must lie between 0 and 1\."),
        (lambda: act.elu(0.0), r"elu\(alpha=0.0\): alpha must be a number above 0\."),
        (lambda: act.celu(-1.0), r"celu\(alpha=-1.0\): alpha must be a number above 0\."),
        (lambda: act.softplus(0), r"softplus\(beta=0\): beta must be a number above 0\."),
        (lambda: act.softshrink(0.0), r"softshrink\(limit=0.0\)"),
        (lambda: act.hardshrink(-1.0), r"hardshrink\(limit=-1.0\)"),
        (lambda: act.hardtanh(1.0, 1.0), r"hardtanh\(low=1.0, high=1.0\): low must be below high; swap them\."),
        (lambda: act.hardtanh(float("-inf")), r"hardtanh\(low=-inf\): low must lie"),
        (lambda: act.threshold(float("nan")), r"threshold\(threshold=nan\): threshold must lie"),
        (lambda: act.gelu("tan"), r"gelu\(approximate='tan'\).*did you mean 'tanh'"),
        (lambda: act.softmax(0.5), r"softmax\(dim=0.5\): dim must be an integer"),
        (lambda: act.log_softmax(True), r"log_softmax\(dim=True\): dim must be an integer"),
        (lambda: act.softmin("last"), r"softmin\(dim='last'\): dim must be an integer"),
        (lambda: act.glu(None), r"glu\(dim=None\): dim must be an integer"),
    ],
)
def test_bad_arguments_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
