import pytest
import torch
import torch.nn.functional as F
from signal_cases import blobs, case, chain, finding, learned, training, variants

from latih.heal.cures._clip import CURE
from latih.watch import Record, Sample

FOUND = finding("L303")


def record(losses, norms):
    return Record(losses=losses, samples=[Sample(step=step, grad_norm=norm) for step, norm in enumerate(norms)])


def limits(given, seen):
    return [one.recipe.clip for one in variants(CURE, given, seen, FOUND)]


def test_the_limit_is_the_usual_norm_of_healthy_updates():
    given = training(chain())
    seen = record([1.0, 0.9, 0.8, 50.0, 40.0], [0.2, 0.3, 900.0, 800.0, float("inf")])
    assert limits(given, case(given, *blobs(), record=seen)) == ["norm(0.25)"]


def test_without_a_healthy_update_it_is_one():
    given = training(chain())
    for seen in (Record(), record([1.0, 1e6, None], [1e4, 1e9, None]), record([None, None], [1.0, 1.0])):
        assert limits(given, case(given, *blobs(), record=seen)) == ["norm(1.0)"]


def test_large_gradients_that_did_no_harm_are_also_tried_at_one():
    given = training(chain())
    seen = record([1.0, 0.9, 0.8], [30.0, 40.0, 20.0])
    assert limits(given, case(given, *blobs(), record=seen)) == ["norm(35.0)", "norm(1.0)"]


@pytest.mark.parametrize(
    ("now", "made"),
    [("norm(0.5)", []), ("norm(limit=5.0)", ["norm(1.0)"]), ("norm()", []), ("value(1.0)", []), ("auto()", [])],
)
def test_a_tighter_or_another_clip_stays(now, made):
    given = training(chain(), clip=now)
    assert limits(given, case(given, *blobs(), record=Record())) == made


def test_a_batch_that_explodes_no_longer_ruins_what_was_learned():
    inputs, _ = blobs()
    inputs[::20] *= 1e3
    targets = inputs[:, :1].clamp(-1, 1)
    given = training(chain(activation=torch.nn.ReLU, depth=2, outputs=1), loss=F.mse_loss, optimizer="sgd(lr=0.01)")
    made = variants(CURE, given, case(given, inputs, targets, task="values"), FOUND)
    with torch.no_grad():
        assert not learned(given, inputs, targets.detach(), updates=0) < 1
    ends = [learned(one, inputs, targets, updates=60) for one in (given, *made)]
    assert ends[0] != ends[0] or min(ends[1:]) < 0.1 * ends[0]
