from learning_records import FALLING, FLAT, noisy, record
from msgspec.structs import replace

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l406_over_regularised import RULE
from latih.watch import Loss, Optimizer


def test_a_decay_that_outweighs_the_gradient_is_found():
    (found,) = RULE.judge(record(FLAT, optimizer=Optimizer(name="sgd", lr=0.1, weight_decay=1.0)))
    assert found.evidence["pull of the decay / pull of the loss"] > found.evidence["threshold"]
    assert found.severity == "error"


def test_a_usual_decay_is_not_the_reason():
    assert RULE.judge(record(FLAT, optimizer=Optimizer(name="sgd", lr=0.1, weight_decay=1e-4))) == []


def test_a_decoupled_decay_is_compared_with_the_update():
    strong = Optimizer(name="adamw", lr=1e-3, weight_decay=1.0, decoupled=True, adaptive=True)
    assert RULE.judge(record(FLAT, 1e-3, optimizer=strong, rates=[(0, 1e-3)]))
    assert RULE.judge(record(FLAT, 1e-2, optimizer=strong, rates=[(0, 1e-3)])) == []


def test_heavy_dropout_on_a_flat_loss_is_found():
    assert RULE.judge(record(FLAT, dropout=0.9))
    assert RULE.judge(record(FLAT, dropout=0.5)) == []
    assert RULE.judge(record(FALLING, dropout=0.9)) == []


def test_weights_that_shrink_under_a_penalty_are_found():
    penalised = Loss(kind="mse", ops=["mse", "mean", "add"], baseline=1.0, floor=0.0)
    assert RULE.judge(record(noisy([0.5] * 400, 0.01), grown=0.3, loss=penalised))
    assert RULE.judge(record(noisy([0.5] * 400, 0.01), grown=0.8, loss=penalised)) == []


def test_nothing_is_said_early():
    assert isinstance(RULE.judge(record(FLAT[:40])), NotApplicable)


def shrinking(to, dead=0.0):
    """Three layers, of which the first has lost all but `to` of its length."""
    run = record(FLAT)
    for place, sample in enumerate(run.samples):
        first = sample.readings[0]
        others = [replace(first, layer=name) for name in ("second", "third")]
        left = to ** (place / (len(run.samples) - 1))
        sample.readings = [replace(first, weight_norm=5.0 * left, dead=dead), *others]
    return run


def test_one_layer_that_is_gone_is_enough():
    (found,) = RULE.judge(shrinking(0.01))
    assert found.evidence["length of the weights now / at the start"] == 0.01
    assert RULE.judge(shrinking(0.2)) == []


def test_weights_behind_units_that_never_fire_shrink_for_another_reason():
    assert RULE.judge(shrinking(0.01, dead=1.0)) == []


def test_a_single_layer_may_shrink_by_what_it_is_asked_for():
    alone = record(FLAT, grown=0.3)
    assert RULE.judge(alone)
    alone.layers = alone.layers[:1]
    assert RULE.judge(alone) == []
