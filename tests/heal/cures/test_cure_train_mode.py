import torch
import torch.nn.functional as F
from structure_cases import case, found, labelled, net, seeded, training, variants
from torch import nn

from latih.heal.cures._train_mode import CURE

WRONG = found("norm-wrong-mode")
IN_EVALUATION = found("norm-wrong-mode", mode="evaluation")


def normed(**options):
    make = lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, **options), nn.ReLU(), nn.Linear(8, 3))  # noqa: E731
    return seeded(make)


class LeftInEvaluation(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = normed()

    def forward(self, x):
        self.net[1].eval()
        return self.net(x)


class Overridden(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = normed()

    def train(self, mode=True):
        super().train(mode)
        self.net[1].eval()
        return self

    def forward(self, x):
        return self.net(x)


class ByHand(nn.Module):
    def __init__(self, running):
        super().__init__()
        self.first, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
        self.register_buffer("mean", torch.zeros(8) if running else None)
        self.register_buffer("variance", torch.ones(8) if running else None)

    def forward(self, x):
        x = F.batch_norm(self.first(x), self.mean, self.variance, training=True)
        return self.out(F.relu(x))


def modes_differ(model, x):
    """In training an answer depends on its batch, in evaluation it does not."""
    with torch.no_grad():
        for _ in range(60):
            model.train()
            model(x)
        together = model(x)[:5]
        alone = model(x[:5])
        model.eval()
        steady = torch.allclose(model(x)[:5], model(x[:5]), atol=1e-5)
    return not torch.allclose(together, alone, atol=1e-2) and steady


def test_a_norm_that_forward_or_train_puts_in_evaluation_follows_the_model():
    for make in (LeftInEvaluation, Overridden):
        given, x = training(seeded(make)), labelled()[0]
        (made,) = variants(CURE, given, case(given, labelled()), IN_EVALUATION)
        assert list(made.model.state_dict()) == list(given.model.state_dict())
        assert modes_differ(made.model, x)
        norm = made.model.net[1]
        assert float(norm.running_mean.abs().sum()) > 0
        made.model.train()
        x = made.model.net[0](labelled()[0])
        torch.testing.assert_close(norm(x), F.batch_norm(x, None, None, norm.weight, norm.bias, True))


class Evaluating(nn.Sequential):
    def train(self, mode=True):
        return super().train(False)


def test_a_model_that_cannot_be_put_in_training_mode_can_be():
    given = training(seeded(lambda: Evaluating(*normed())))
    (made,) = variants(CURE, given, case(given, labelled()), IN_EVALUATION)
    assert "train() puts it in training mode" in made.edits[0].text
    assert made.model.train()[1].training
    assert not made.model.eval()[1].training
    assert not given.model.train()[1].training
    assert modes_differ(made.model, labelled()[0])


def test_learned_statistics_that_are_pinned_are_left_alone():
    pinned = seeded(lambda: Evaluating(*normed()))
    pinned[1].running_var.fill_(2.0)
    given = training(pinned)
    assert all("train()" not in one.edits[0].text for one in variants(CURE, given, case(given, labelled()), WRONG))
    model = LeftInEvaluation()
    model.net[1].running_mean.fill_(0.3)
    given = training(model)
    assert variants(CURE, given, case(given, labelled()), WRONG) == []


def test_running_statistics_that_never_move_or_forget_all_get_the_usual_momentum():
    for momentum in (0.0, 1e-4, 0.99, 1.0):
        given = training(normed(momentum=momentum))
        (made,) = variants(CURE, given, case(given, labelled()), WRONG)
        assert (given.model[1].momentum, made.model[1].momentum) == (momentum, 0.1)


def test_running_statistics_are_kept_where_there_were_none():
    given = training(normed(track_running_stats=False))
    (made,) = variants(CURE, given, case(given, labelled()), WRONG)
    assert modes_differ(made.model, labelled()[0])


def test_a_call_that_is_always_in_training_gets_the_mode_of_the_model():
    for running in (True, False):
        given = training(seeded(lambda running=running: ByHand(running)))
        finding = found("norm-wrong-mode", **{"answers in evaluation mode change with their batch": True})
        (made,) = variants(CURE, given, case(given, labelled()), finding)
        x = labelled()[0]
        torch.testing.assert_close(made.model(x), given.model(x))
        assert modes_differ(made.model, x)
        assert variants(CURE, made, case(made, labelled()), finding) == []


def test_what_the_loop_mends_is_only_said():
    given = training(normed())
    (made,) = variants(CURE, given, case(given, labelled()), IN_EVALUATION)
    assert made.model is given.model
    assert made.edits[-1].code.startswith("model.train()")


def test_where_norms_are_as_they_should_be_nothing_is_done():
    for model in (normed(), normed(momentum=None), net()):
        given = training(model)
        assert variants(CURE, given, case(given, labelled()), WRONG) == []
