"""GModule: routing of values and gradients."""

import pickle

import numpy as np
import pytest

from nodegraph import GModule, check_gradients, nn
from nodegraph.errors import InputError

from small_graphs import mlp, two_by_two

rng = np.random.default_rng(0)


def test_one_input_and_output_are_values_several_are_lists():
    x = nn.Identity()()
    assert isinstance(GModule(x, nn.Tanh()(x)).forward(np.ones(2)), np.ndarray)
    x = nn.Identity()()
    assert isinstance(GModule([x], [x, nn.Tanh()(x)]).forward(np.ones(2)), list)


def test_a_node_feeding_many_sums_its_gradients():
    x = nn.Identity()()
    net = GModule(x, [nn.MulConstant(2)(x), nn.MulConstant(3)(x), x])
    net.forward(np.ones(2))
    np.testing.assert_array_equal(net.backward(None, [np.ones(2)] * 3), [6, 6])


def test_the_same_node_twice_among_the_inputs_of_a_module():
    x = nn.Identity()()
    net = GModule(x, nn.CMulTable()([x, x]))
    np.testing.assert_array_equal(net.forward(np.array([3.0])), [9])
    np.testing.assert_array_equal(net.backward(None, np.ones(1)), [6])


def test_the_same_node_twice_among_the_outputs():
    x = nn.Identity()()
    y = nn.Square()(x)
    net = GModule(x, [y, y, x])
    net.forward(np.array([3.0]))
    np.testing.assert_array_equal(net.backward(None, [np.array([1.0]), np.array([10.0]), np.array([100.0])]), [166])


def test_nested_tables_go_in_and_out():
    x, state = nn.Identity()(), nn.Identity()()
    h, c = state.split(2)
    net = GModule([x, state], [nn.Identity()(state), nn.CMulTable()([x, h, c])])
    value = [rng.standard_normal(3), [rng.standard_normal(3), rng.standard_normal(3)]]
    (h_out, _), product = net.forward(value)
    np.testing.assert_array_equal(h_out, value[1][0])
    np.testing.assert_allclose(product, value[0] * value[1][0] * value[1][1])
    check_gradients(net, value)


def test_none_stands_for_a_zero_gradient():
    x = nn.Identity()()
    net = GModule(x, [nn.Square()(x), nn.Linear(2, 2)(x)])
    net.forward(np.ones(2))
    np.testing.assert_array_equal(net.backward(None, [np.ones(2), None]), [2, 2])
    np.testing.assert_array_equal(net.backward(None, [None, None]), [0, 0])


def test_a_parameter_node_has_no_input():
    x = nn.Identity()()
    gain = nn.Parameters(3)()
    net = GModule(x, nn.CMulTable()([x, gain]))
    gain.module.weight[...] = [1, 2, 3]
    np.testing.assert_array_equal(net.forward(np.ones(3)), [1, 2, 3])
    check_gradients(net, rng.standard_normal(3))
    assert [p.shape for p in net.parameters()[0]] == [(3,)]


def test_graphs_and_containers_inside_a_graph():
    x = nn.Identity()()
    inner = mlp()
    net = GModule(x, nn.Tanh()(nn.Sequential(nn.Linear(2, 3), nn.Sigmoid())(inner(x))))
    assert net.forward(np.zeros((2, 4))).shape == (2, 3)
    check_gradients(net, rng.standard_normal((2, 4)))


def test_one_module_at_several_nodes_is_simply_right():
    square, linear = nn.Square(), nn.Linear(3, 3)
    x = nn.Identity()()
    net = GModule(x, square(linear(square(linear(x)))))
    check_gradients(net, rng.standard_normal((2, 3)))
    assert len(net.parameters()[0]) == 4 and net.get_parameters()[0].size == 12
    before = linear.weight.copy()
    net.forward(np.ones((1, 3)))
    net.zero_grad_parameters()
    net.backward(None, np.ones((1, 3)))
    net.update_parameters(0.5)
    np.testing.assert_allclose(linear.weight, before - 0.5 * linear.grad_weight)


def test_one_graph_at_several_nodes():
    inner = mlp()
    x, y = nn.Identity()(), nn.Identity()()
    net = GModule([x, y], nn.CMulTable()([inner(x), inner(y)]))
    check_gradients(net, [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))])


def test_a_long_chain_needs_no_deep_stack():
    x = node = nn.Identity()()
    for _ in range(5000):
        node = nn.AddConstant(1)(node)
    net = GModule(x, node)
    assert net.forward(np.zeros(1)) == 5000
    assert net.backward(None, np.ones(1)) == 1
    for twin in (net.clone(), pickle.loads(pickle.dumps(net))):
        assert twin.forward(np.ones(1)) == 5001


def test_the_shape_of_one_array_is_none_of_several_inputs():
    assert two_by_two().output_shape([(3,), (3,)]) == [(3,), (3,)]
    with pytest.raises(InputError, match="the graph has 2 inputs"):
        two_by_two().output_shape((3, 3))


def test_no_gradient_at_all_is_a_gradient_of_zeros():
    network, input = two_by_two(), [np.ones(3), np.ones(3)]
    network.forward(input)
    assert [g.tolist() for g in network.backward(input, None)] == [[0, 0, 0], [0, 0, 0]]
