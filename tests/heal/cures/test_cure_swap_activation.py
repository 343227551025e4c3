import torch
import torch.nn.functional as F
from signal_cases import blobs, case, chain, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.diagnose import Finding
from latih.heal.cures._swap_activation import CURE

FOUND = finding("L302")


def test_a_sigmoid_stack_becomes_relu_then_selu_and_learns():
    given, data = training(chain(activation=nn.Sigmoid)), blobs()
    relu, selu = variants(CURE, given, case(given, *data), FOUND)
    assert isinstance(relu.model[1], nn.ReLU)
    assert isinstance(selu.model[1], nn.SELU)
    stays = learned(given, *data)
    assert learned(relu, *data) < 0.7 * stays
    assert learned(selu, *data) < 0.7 * stays
    assert "sigmoid -> relu()" in relu.edits[0].text
    outputs_agree(relu, given, case(given, *data))


def test_selu_is_offered_only_for_standardised_inputs_without_a_norm():
    inputs, targets = blobs()
    given = training(chain(activation=nn.Tanh))
    assert len(variants(CURE, given, case(given, 30 + 5 * inputs, targets), FOUND)) == 1
    normed = training(nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 3)))
    assert len(variants(CURE, normed, case(normed, inputs, targets), FOUND)) == 1


def test_inputs_count_as_they_come_out_of_the_stage_in_front():
    from collections import OrderedDict

    from latih.models import Standardize

    inputs, targets = blobs()
    inputs = 30 + 5 * inputs
    stage = Standardize(inputs.mean(0), inputs.std(0))
    given = training(nn.Sequential(OrderedDict(inputs=stage, net=chain(activation=nn.Tanh))))
    relu, selu = variants(CURE, given, case(given, inputs, targets), FOUND)
    assert isinstance(selu.model.net[1], nn.SELU)
    outputs_agree(relu, given, case(given, inputs, targets))


def test_rectifiers_that_die_become_leaky_then_elu():
    given, data = training(chain(activation=nn.ReLU)), blobs()
    with torch.no_grad():
        given.model[4].bias.fill_(-50.0)
    leaky, elu = variants(CURE, given, case(given, *data), finding("L305"))
    assert isinstance(leaky.model[5], nn.LeakyReLU)
    assert isinstance(elu.model[5], nn.ELU)
    assert learned(leaky, *data) < 0.8 * learned(given, *data)


def test_functions_called_in_forward_are_reached():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)

        def forward(self, x):
            return self.c(torch.sigmoid(self.b(torch.sigmoid(self.a(x)))))

    given = training(Net())
    relu, _ = variants(CURE, given, case(given, *blobs()), FOUND)
    assert "(2): sigmoid -> relu()" in relu.edits[0].text


def test_recurrent_nets_and_trained_weights_are_left_alone():
    class Reader(nn.Module):
        def __init__(self, cell):
            super().__init__()
            self.cell, self.inner, self.head = cell, nn.Linear(12, 8), nn.Linear(8, 2)

        def forward(self, x):
            if self.cell is not None:
                return self.head(torch.tanh(self.cell(x)[0][:, -1]))
            state = x.new_zeros(len(x), 8)
            for time in range(x.shape[1]):
                state = torch.tanh(self.inner(torch.cat([state, x[:, time]], 1)))
            return self.head(state)

    inputs = torch.randn(64, 5, 4, generator=torch.Generator().manual_seed(0))
    for cell in (nn.RNN(4, 8, batch_first=True), None):
        given = training(Reader(cell))
        assert variants(CURE, given, case(given, inputs, (inputs[:, 0, 0] > 0).long()), FOUND) == []
    given = training(chain())
    assert variants(CURE, given, case(given, *blobs(), record=trained_record(given.model)), FOUND) == []


def test_smooth_functions_and_the_output_stay():
    given = training(chain(activation=nn.GELU))
    assert variants(CURE, given, case(given, *blobs()), FOUND) == []
    inputs, _ = blobs()
    truth = training(nn.Sequential(nn.Linear(8, 1), nn.Sigmoid()), loss=F.binary_cross_entropy)
    assert variants(CURE, truth, case(truth, inputs, (inputs[:, :1] > 0).float(), task="truth"), FOUND) == []


def test_a_selu_whose_conditions_are_not_met_becomes_relu():
    given = training(chain(activation=nn.SELU))
    relu, elu = variants(CURE, given, case(given, *blobs()), finding("L111"))
    assert isinstance(relu.model[1], nn.ReLU)
    assert isinstance(elu.model[1], nn.ELU)


class Exponential(nn.Module):
    def forward(self, x):
        return x.exp()


def test_a_function_that_makes_signals_explode_becomes_relu_and_others_stay():
    given, data = training(chain(activation=Exponential)), blobs()
    explodes = Finding("L303", "exploding-gradient", "error", "", {}, "", "")
    relu, tanh = variants(CURE, given, case(given, *data), explodes)
    assert isinstance(relu.model[1], nn.ReLU)
    assert isinstance(tanh.model[1], nn.Tanh)
    assert "Exponential -> relu()" in relu.edits[0].text
    assert learned(relu, *data) < 0.8
    usual = training(chain(activation=nn.ReLU))
    assert variants(CURE, usual, case(usual, *data), explodes) == []
