"""Records made by hand: a stack of layers, a loss, and a run that learns, stands still or is lost."""

import numpy as np

from latih.watch import Layer, Loss, Parameter, Reading, Record, Sample, Values


def layer(name, n_in=8, n_out=8, activation="relu", inputs=(), **facts):
    """A linear layer."""
    return Layer(
        name=name,
        parameter=f"{name}.weight",
        kind=facts.pop("kind", "linear"),
        fan_in=n_in,
        fan_out=n_out,
        activation=activation,
        inputs=list(inputs),
        **facts,
    )


def stack(*activations, width=8):
    """Linear layers in a row; the last one is the head."""
    names = [str(place) for place in range(len(activations))]
    before = [[], *[[name] for name in names]]
    return [
        layer(name, width, width, one, inputs, is_head=name == names[-1])
        for name, one, inputs in zip(names, activations, before, strict=False)
    ]


def parameter(name, *shape, trainable=True, reached=True, optimised=True, fresh=None):
    """A parameter."""
    return Parameter(name=name, shape=shape, trainable=trainable, reached=reached, optimised=optimised, fresh=fresh)


def values(mean=0.0, std=1.0, shape=(32, 8), **facts):
    """Numbers whose features are alike."""
    facts.setdefault("feature_means", [mean] * 4)
    facts.setdefault("feature_stds", [std] * 4)
    facts.setdefault("low", mean - 2 * std)
    facts.setdefault("high", mean + 2 * std)
    facts.setdefault("dtype", "float32")
    return Values(shape=shape, mean=mean, std=std, **facts)


def sample(step, **layers):
    """Layer (with an underscore in front) -> its numbers."""
    found = [Reading(layer=name.lstrip("_"), **numbers) for name, numbers in layers.items()]
    return Sample(step=step, readings=found, grad_norm=1.0)


def curve(level, start=1.0, count=120, noise=0.02):
    """Losses that go from `start` to `level` and stay there."""
    rng = np.random.default_rng(0)
    shape = level + (start - level) * np.exp(-np.arange(count) / (count / 10))
    return [float(one) for one in shape + noise * rng.standard_normal(count)]


STUCK, LEARNT = curve(1.0), curve(0.05)


def record(losses=STUCK, *, kind="mse", baseline=1.0, loss=None, **facts):
    """A run of which the best constant output costs 1."""
    loss = loss or Loss(kind=kind, ops=[kind, "mean"], baseline=baseline, floor=0.0, output_shape=(32, 1))
    facts.setdefault("layers", stack("relu", "none"))
    facts.setdefault("batch_size", 32)
    facts.setdefault("inputs", values())
    return Record(losses=list(losses), updates=len(losses), loss=loss, **facts)
