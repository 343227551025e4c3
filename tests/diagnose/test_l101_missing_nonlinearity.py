from structure_records import LEARNT, layer, parameter, record, stack

from latih.diagnose import NotApplicable
from latih.diagnose.rules._l101_missing_nonlinearity import RULE


def test_a_network_without_activations_is_found():
    (found,) = RULE.judge(record(layers=stack("none", "none", "none")))
    assert found.severity == "warning"
    assert found.evidence["whole network linear"]
    assert found.evidence["share of hidden layers"] == 1.0


def test_it_is_an_info_where_a_linear_map_is_all_that_is_needed():
    (found,) = RULE.judge(record(LEARNT, layers=stack("none", "none", "none")))
    assert found.severity == "info"


def test_activations_between_pass():
    assert RULE.judge(record(layers=stack("relu", "tanh", "none"))) == []


def test_a_narrow_middle_is_a_factorisation():
    code = [layer("0", 8, 3, "none"), layer("1", 3, 8, "none", ["0"], is_head=True)]
    assert RULE.judge(record(layers=code)) == []


def test_one_pair_in_a_network_that_bends_is_an_info():
    (found,) = RULE.judge(record(layers=stack("none", "relu", "relu", "none")))
    assert found.severity == "info"


def test_what_joins_or_bends_between_passes():
    for between in ("layer_norm", "add", "attention", "product"):
        layers = stack("none", "none")
        layers[0].between = [between]
        assert RULE.judge(record(layers=layers)) == []


def test_a_table_before_a_linear_layer_passes():
    layers = stack("none", "none")
    layers[0].kind = "embedding"
    assert isinstance(RULE.judge(record(layers=layers)), NotApplicable)


def kernels(first, second):
    layers = [
        layer("0", 9 * first[1], 9 * first[0], "none", kind="conv2d"),
        layer("1", 9 * second[1], 9 * second[0], "none", ["0"], kind="conv2d"),
        layer("2", 32, 2, "none", ["1"], is_head=True),
    ]
    return record(layers=layers, parameters=[parameter("0.weight", *first), parameter("1.weight", *second)])


def test_kernels_in_a_row_are_found_and_depthwise_ones_are_meant():
    (found,) = RULE.judge(kernels((12, 1, 3, 3), (16, 12, 3, 3)))
    assert found.severity == "warning"
    depthwise = kernels((12, 1, 3, 3), (16, 12, 1, 1))
    depthwise.layers[0].inputs = ["stem"]
    assert RULE.judge(depthwise) == []


def test_rows_and_columns_of_a_kernel_are_meant():
    assert RULE.judge(kernels((12, 12, 1, 3), (12, 12, 3, 1))) == []


def test_pooling_counts_as_linear_only_in_trouble():
    layers = stack("none", "none")
    layers[0].between = ["pool"]
    assert RULE.judge(record(layers=layers))[0].severity == "warning"
    assert RULE.judge(record(LEARNT, layers=layers)) == []


def test_without_a_structure_nothing_is_said():
    assert isinstance(RULE.judge(record(layers=[])), NotApplicable)
