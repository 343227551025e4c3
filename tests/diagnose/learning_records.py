"""Records made by hand: a curve, and how far the weights moved."""

import numpy as np

from latih.watch import Layer, Loss, Optimizer, Reading, Record, Sample

STEPS = (0, 1, 2, 5, 10, 20, 35, 60, 100, 200, 350, 600, 1000)


def noisy(levels, noise=0.05, seed=0):
    """Losses that scatter around `levels`."""
    return [float(one) for one in np.asarray(levels) + noise * np.random.default_rng(seed).standard_normal(len(levels))]


def record(losses, change=1e-3, *, grown=1.0, baseline=1.0, optimizer=None, gradient=0.1, **facts):
    """Two hidden layers and a head; `change` is |update| / |weight|, a number or a function of the step."""
    layers = [Layer(name=str(place), parameter=f"{place}.weight", kind="linear", fan_in=25) for place in range(3)]
    steps = [step for step in STEPS if step < len(losses)]
    samples = [
        Sample(
            step=step,
            grad_norm=gradient,
            stale_gradient=facts.get("stale", 0.0),
            readings=[
                Reading(
                    layer=layer.name,
                    weight_std=0.2,
                    weight_norm=5.0 * grown ** (step / max(steps[-1], 1)),
                    weight_grad=gradient,
                    weight_change=change(step) if callable(change) else change,
                )
                for layer in layers
            ],
        )
        for step in steps
    ]
    facts.pop("stale", None)
    facts.setdefault("loss", Loss(kind="mse", ops=["mse", "mean"], baseline=baseline, floor=0.0, output_shape=(20, 1)))
    facts.setdefault("rates", [(0, 0.01)])
    facts.setdefault("layers", layers)
    return Record(
        losses=losses,
        samples=samples,
        updates=len(losses),
        optimizer=optimizer or Optimizer(name="sgd", lr=0.01),
        **facts,
    )


FALLING = noisy(np.linspace(1.0, 0.1, 400) ** 2)
FLAT = noisy(np.ones(400))
