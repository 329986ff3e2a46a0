"""What torch/nngraph's own tests and its README check, in Python."""

import numpy as np
import pytest

from nodegraph import GModule, check_gradients, nn

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def test_one_output_is_computed_anew_at_each_call():
    x = nn.Identity()()
    net = GModule(x, nn.Identity()(x))
    for value, gradient in ((1.0, -123.0), (2.0, -2.0)):
        assert net.forward(np.array([value])) == [value]
        assert net.backward(np.array([value]), np.array([gradient])) == [gradient]


def test_tables_of_another_length_at_the_next_call():
    x = nn.Identity()()
    net = GModule(x, [nn.Identity()(x), nn.Identity()(x)])
    for lengths in ((3, 4), (3, 4, 5), (3, 4)):
        input = [normal(10), [normal(n) for n in lengths]]
        output = net.forward(input)
        grad_input = net.backward(input, output)
        assert len(grad_input[1]) == len(lengths)
        np.testing.assert_allclose(grad_input[1][0], 2 * input[1][0])
        check_gradients(net, input)


def test_one_input_may_be_a_table():
    x = nn.Identity()()
    net = GModule(x, nn.Identity()(x))
    value = normal(1)
    assert net.forward(value) == value and net.forward([value]) == [value]


def two_outputs_of_a_split():
    x = nn.Sigmoid()()
    return GModule(x, nn.SplitTable(0)([x]).split(2)), normal(2, 3)


def split_state():
    x, state = nn.Identity()(), nn.Identity()()
    h, c = state.split(2)
    sums = nn.CAddTable()([nn.CMulTable()([x, h]), nn.CMulTable()([h, c])])
    return GModule([x, state], sums), [normal(3), [normal(3), normal(3)]]


def inputs_are_outputs():
    a, b = nn.Sigmoid()(), nn.Sigmoid()()
    return GModule([a, b], [a, b, nn.Sigmoid()(a)]), [normal(3), normal(3)]


def split_and_whole():
    state = nn.Identity()()
    h, c = state.split(2)
    return GModule(state, [h, nn.Identity()(state), nn.Sigmoid()(c)]), [normal(10), normal(10)]


def table_from_an_input_module():
    x = nn.SplitTable(0)()
    return GModule(x, nn.CAddTable()(x)), normal(2, 3)


def containers_over_a_table():
    x = nn.Identity()()
    joined = nn.Sequential(nn.JoinTable(1), nn.Tanh())(x), nn.Sequential(nn.JoinTable(1), nn.Identity())(x)
    return GModule(x, nn.CAddTable()(list(joined))), [normal(3, 3) for _ in range(3)]


def trained_input_module():
    x = nn.CMul(10)()
    return GModule(x, [nn.Identity()(x), nn.Identity()(x)]), normal(10)


def criterion_with_its_target_in_the_graph():
    x = nn.Identity()()
    target = nn.AddConstant(1.23)(nn.MulConstant(0)(x))
    return GModule(x, nn.MSECriterion()([x, target])), normal(4, 7)


def readme_mlp():
    h1 = nn.Linear(20, 10)()
    return GModule(h1, nn.Linear(10, 1)(nn.Tanh()(nn.Linear(10, 10)(nn.Tanh()(h1))))), normal(20)


def readme_two_inputs():
    h1, h2 = nn.Linear(20, 20)(), nn.Linear(10, 10)()
    total = nn.CAddTable()([nn.Linear(20, 1)(nn.Tanh()(h1)), nn.Linear(10, 1)(nn.Tanh()(h2))])
    return GModule([h1, h2], [nn.Sigmoid()(total), nn.Tanh()(total)]), [normal(20), normal(10)]


def readme_two_inputs_with_minus():
    h1, h2 = -nn.Linear(20, 20), -nn.Linear(10, 10)
    hh1 = h1 - nn.Tanh() - nn.Linear(20, 1)
    hh2 = h2 - nn.Tanh() - nn.Linear(10, 1)
    total = [hh1, hh2] - nn.CAddTable()
    return GModule([h1, h2], [total - nn.Sigmoid(), total - nn.Tanh()]), [normal(20), normal(10)]


def readme_containers():
    m = nn.Sequential().add(nn.SplitTable(0))
    m.add(nn.ParallelTable().add(nn.Linear(10, 20)).add(nn.Linear(10, 30)))
    x = nn.Identity()()
    x1, x2 = m(x).split(2)
    return GModule(x, nn.JoinTable(0)([x1, x2])), normal(2, 10)


def readme_more_fun():
    x = nn.Identity()()
    l1 = nn.Tanh()(nn.Linear(10, 20)(x))
    l2 = nn.Tanh()(nn.Linear(30, 60)(nn.JoinTable(0)([x, l1])))
    l3 = nn.Tanh()(nn.Linear(80, 16)(nn.JoinTable(0)([l1, l2])))
    return GModule(x, l3), normal(10)


GRAPHS = [
    two_outputs_of_a_split, split_state, inputs_are_outputs, split_and_whole, table_from_an_input_module,
    containers_over_a_table, trained_input_module, criterion_with_its_target_in_the_graph, readme_mlp,
    readme_two_inputs, readme_two_inputs_with_minus, readme_containers, readme_more_fun,
]  # fmt: skip


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_gradients(make):
    check_gradients(*make())


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_float_and_back(make):
    net, input = make()
    expected = net.forward(input)
    single = net.clone().float()
    from nodegraph import table

    output = single.forward(table.map(np.float32, input))
    for a, b in zip(table.leaves(output), table.leaves(expected)):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_verbose_is_a_hook(capsys):
    net, input = readme_mlp()
    with net.watch(forward=lambda node, call: print(node.label())):
        net.forward(input)
    assert capsys.readouterr().out.count("output (10,)") == 4
