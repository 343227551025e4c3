import torch
from structure_cases import accuracy, case, found, labelled, net, random, seeded, training, variants
from torch import nn

from latih.heal.cures._standardise_inputs import CURE, SignedLog
from latih.models import Standardize

USUAL = found("unscaled-inputs")


def unlike():
    """One column in millions, one with an offset, one constant."""
    x, y = labelled()
    scales = torch.tensor([1.0, 1e6, 1.0, 1e-3, 1.0, 0.0])
    return x * scales + torch.tensor([0.0, 0.0, 500.0, 0.0, 0.0, 7.0]), y


def test_columns_of_unlike_size_are_standardised_inside_the_model_and_learned():
    given, data = training(net(), optimizer="sgd(lr=0.1)"), unlike()
    (made,) = variants(CURE, given, case(given, data), USUAL)
    z = made.model.inputs(data[0])
    torch.testing.assert_close(z[:, :5].mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(z[:, :5].std(0), torch.ones(5), atol=0.01, rtol=0)
    assert torch.equal(z[:, 5], torch.zeros(len(z)))
    assert accuracy(given, data) < 0.7 < 0.8 < accuracy(made, data)


def test_names_in_a_live_optimizer_follow():
    model = net()
    live = torch.optim.SGD([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.5}], lr=0.1)
    given = training(model, optimizer=live)
    (made,) = variants(CURE, given, case(given, unlike()), USUAL)
    assert [len(group["params"]) for group in made.optimizer(made.model).param_groups] == [2, 2]
    assert next(name for name, _ in made.model.named_parameters()) == "net.0.weight"


def test_a_nearly_constant_column_is_not_blown_up():
    x, y = labelled()
    x[:, 0] = 0.0
    x[3, 0] = 255.0
    x[:, 1] *= 100
    given = training(net())
    made = variants(CURE, given, case(given, (x, y)), USUAL)[0]
    assert float(made.model.inputs(x).abs().max()) <= 10.1


def test_images_are_standardised_by_channel_bytes_too():
    def convolved(channels):
        return seeded(lambda: nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)))

    x = torch.randn(60, 3, 6, 6, generator=random()) * torch.tensor([1.0, 50.0, 3.0])[:, None, None] + 100
    y = (x.mean((1, 2, 3)) > 100).long()
    given = training(convolved(3))
    (made,) = variants(CURE, given, case(given, (x, y)), USUAL)
    assert made.model.inputs.mean.shape == (3, 1, 1)
    z = made.model.inputs(x)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), atol=0.01, rtol=0)

    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convolved(1)

        def forward(self, x):
            return self.net(x.float())

    pixels = torch.randint(0, 256, (60, 1, 6, 6), generator=random(), dtype=torch.uint8)
    given = training(seeded(Bytes))
    (made,) = list(CURE.apply(given, case(given, (pixels, y)), USUAL))
    z = made.model.inputs(pixels)
    assert abs(float(z.mean())) < 1e-4
    assert abs(float(z.std()) - 1) < 0.01


def test_sequences_are_standardised_by_what_the_recurrent_layer_multiplies():
    class Read(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = nn.GRU(2, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, x):
            return self.out(self.rnn(x)[0][:, -1])

    x = torch.randn(80, 5, 2, generator=random()) * torch.tensor([1.0, 100.0])
    given = training(seeded(Read))
    (made,) = list(CURE.apply(given, case(given, (x, (x[:, :, 0].sum(1) > 0).long())), USUAL))
    torch.testing.assert_close(made.model.inputs(x).std((0, 1)), torch.ones(2), atol=0.02, rtol=0)


def test_tokens_and_standardised_inputs_are_left_alone():
    given = training(seeded(lambda: nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(32, 3))))
    tokens = torch.randint(0, 50, (100, 4), generator=random())
    assert variants(CURE, given, case(given, (tokens, labelled(100)[1])), USUAL) == []
    given = training(net())
    assert variants(CURE, given, case(given, labelled()), USUAL) == []


def test_what_was_standardised_is_not_standardised_again():
    given, data = training(net()), unlike()
    (made,) = variants(CURE, given, case(given, data), USUAL)
    assert variants(CURE, made, case(made, data), USUAL) == []


def test_heavy_tails_get_a_logarithm_as_a_second_variant():
    x, y = labelled(600)
    data = ((2.5 * x).exp(), y)
    given = training(net())
    plain, logs = variants(CURE, given, case(given, data), USUAL)
    assert isinstance(plain.model.inputs, Standardize)
    assert isinstance(logs.model.inputs[0], SignedLog)
    assert accuracy(logs, data) > accuracy(plain, data)
    z = logs.model.inputs(data[0])
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-3, rtol=0)


def test_a_model_in_double_precision_stays_so():
    x, y = unlike()
    given = training(net().double())
    (made,) = variants(CURE, given, case(given, (x.double(), y)), USUAL)
    assert made.model(x.double()).dtype == torch.float64


def test_missing_values_do_not_count():
    x, y = unlike()
    x[::7, 1] = float("nan")
    given = training(net())
    (made,) = variants(CURE, given, case(given, (x, y)), USUAL)
    known = made.model.inputs(x)[:, 1]
    assert abs(float(known.nanmean())) < 1e-4
