"""What the docstrings say of Keras, checked against Keras itself where it is installed."""

import math
import os

import numpy as np
import pytest
import torch

from latih import optim

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras asks once, at its import
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Keras and its backend

CURVATURE = np.array([3.0, 0.5, 1e-3, 1e-6])  # with 1 as a start, also the sizes of the first gradients
BEGIN = np.array([1.0, -2.0, 1.0, -1.0])
LR, STEPS = 0.01, 50


@pytest.fixture(autouse=True)
def doubles():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def constant(step):
    return LR


def changing(step):
    return LR * (1.0 if step < 20 else 0.1 if step < 35 else 2.0)


def keras_path(optimizer, rate=constant):
    variable = keras.Variable(BEGIN, dtype="float64")
    optimizer.build([variable])
    for step in range(STEPS):
        optimizer.learning_rate = rate(step)
        point = keras.ops.convert_to_numpy(variable)
        optimizer.apply([keras.ops.convert_to_tensor(CURVATURE * point)], [variable])
        yield keras.ops.convert_to_numpy(variable).copy()


def our_path(spec, rate=constant, eps=None):
    w = torch.tensor(BEGIN, requires_grad=True)
    optimizer = spec([w])
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        group["lr"] = rate(step)
        if eps is not None:
            group["eps"] = eps(step + 1)
        w.grad = torch.tensor(CURVATURE) * w.detach()
        optimizer.step()
        yield w.detach().numpy().copy()


def formula_path(rule):
    """The path of `rule(weights, gradient, state, t)`, the formula as a docstring states it."""
    w, state = BEGIN, {}
    for t in range(1, STEPS + 1):
        w = rule(w, CURVATURE * w, state, t)
        yield w


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(a, b, strict=True))


def test_sgd_and_its_decay():
    assert distance(our_path(optim.sgd()), keras_path(keras.optimizers.SGD())) < 1e-12
    decayed = keras.optimizers.SGD(weight_decay=0.1)
    assert distance(our_path(optim.sgd(weight_decay=0.1)), keras_path(decayed)) < 1e-12
    assert float(keras.optimizers.SGD().learning_rate) == 0.01


def test_momentum_is_the_same_while_the_rate_is_constant():
    assert distance(our_path(optim.momentum()), keras_path(keras.optimizers.SGD(momentum=0.9))) < 1e-12
    apart = distance(our_path(optim.momentum(), changing), keras_path(keras.optimizers.SGD(momentum=0.9), changing))
    assert apart > 1e-2


def test_nesterov_is_kerass_path_also_while_the_rate_changes_and_nag_is_not():
    def theirs():
        return keras.optimizers.SGD(momentum=0.9, nesterov=True)

    assert distance(our_path(optim.nag()), keras_path(theirs())) < 1e-12
    assert distance(our_path(optim.nesterov()), keras_path(theirs())) < 1e-12
    assert distance(our_path(optim.nesterov(), changing), keras_path(theirs(), changing)) < 1e-12
    assert distance(our_path(optim.nag(), changing), keras_path(theirs(), changing)) > 1e-2


def test_rmsprop_has_epsilon_inside_the_root():
    inside, outside = optim.rmsprop(eps=1e-7, inside=True), optim.rmsprop(eps=1e-7)
    assert distance(our_path(inside), keras_path(keras.optimizers.RMSprop())) < 1e-12
    assert distance(our_path(outside), keras_path(keras.optimizers.RMSprop())) > 1e-3
    assert (keras.optimizers.RMSprop().epsilon, keras.optimizers.RMSprop().rho) == (1e-7, 0.9)


def test_adagrad_starts_at_a_tenth_with_epsilon_inside():
    def rule(w, g, s, t):
        s["s"] = s.get("s", 0.1) + g**2
        return w - LR * g / np.sqrt(s["s"] + 1e-7)

    assert distance(formula_path(rule), keras_path(keras.optimizers.Adagrad())) < 1e-12
    assert 0 < distance(our_path(optim.adagrad(accumulator=0.1)), keras_path(keras.optimizers.Adagrad())) < 1e-6
    assert float(keras.optimizers.Adagrad().learning_rate) == pytest.approx(0.001)


def test_adams_epsilon_stands_beside_the_uncorrected_root():
    def corrected(t):
        return 1e-7 / math.sqrt(1 - 0.999**t)

    assert distance(our_path(optim.adam(), eps=corrected), keras_path(keras.optimizers.Adam())) < 1e-10
    assert distance(our_path(optim.adam(eps=1e-7)), keras_path(keras.optimizers.Adam())) > 1e-3
    assert corrected(1) / 1e-7 == pytest.approx(32, abs=0.5)


def test_adamax_divides_by_the_maximum_plus_epsilon():
    def rule(w, g, s, t):
        s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
        s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
        return w - LR / (1 - 0.9**t) * s["m"] / (s["u"] + 1e-7)

    assert distance(formula_path(rule), keras_path(keras.optimizers.Adamax())) < 1e-10
    assert float(keras.optimizers.Adamax().learning_rate) == pytest.approx(optim.adamax().lr)


def test_nadams_momentum_schedule_counts_updates_and_not_their_250th():
    def path(slow):
        def rule(w, g, s, t):
            s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
            s["s"] = 0.999 * s.get("s", 0) + 0.001 * g**2
            mu = [0.9 * (1 - 0.5 * 0.96 ** (i / slow)) for i in range(1, t + 2)]
            ahead = mu[-1] * s["m"] / (1 - math.prod(mu)) + (1 - mu[-2]) * g / (1 - math.prod(mu[:-1]))
            return w - LR * ahead / (np.sqrt(s["s"] / (1 - 0.999**t)) + 1e-7)

        return formula_path(rule)

    assert distance(path(1), keras_path(keras.optimizers.Nadam())) < 1e-8
    assert distance(path(250), keras_path(keras.optimizers.Nadam())) > 1e-3
    assert abs(0.96**17 - 0.5) < 2e-3  # half-way after 17 updates


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "Adamax", "Nadam"])
def test_weight_decay_shrinks_the_weights_by_the_rate_times_it(name):
    """With a gradient of 0 all the method's own step is 0, and the decay alone is seen."""
    variable = keras.Variable(BEGIN, dtype="float64")
    optimizer = getattr(keras.optimizers, name)(learning_rate=LR, weight_decay=0.5)
    for _ in range(3):
        optimizer.apply([keras.ops.zeros_like(variable)], [variable])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), BEGIN * (1 - LR * 0.5) ** 3, rtol=1e-6)


def test_adamw_and_lion_share_the_decay_and_differ_in_defaults():
    ours = our_path(optim.adamw(weight_decay=0.1), eps=lambda t: 1e-7 / math.sqrt(1 - 0.999**t))
    assert distance(ours, keras_path(keras.optimizers.AdamW(weight_decay=0.1))) < 1e-8
    assert keras.optimizers.AdamW().weight_decay == 0.004
    assert float(keras.optimizers.Lion().learning_rate) == pytest.approx(0.001)
