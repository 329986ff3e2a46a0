"""GModule: routing of values and gradients, sharing, the methods of a module, looking inside."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

from nodegraph import GModule, Node, Recurrent, annotate_nodes, check_gradients, nn
from nodegraph.errors import ArgumentError, InputError, ModuleError, StateError

rng = np.random.default_rng(0)


def mlp():
    x = nn.Identity()()
    hidden = nn.Linear(4, 5)(x)
    squashed = nn.Tanh()(hidden)
    y = nn.Linear(5, 2)(squashed)
    annotate_nodes()
    return GModule(x, y)


# Routing


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
    assert h_out is value[1][0]
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


# Nothing that a caller holds is written to


def test_inputs_gradients_and_earlier_outputs_are_left_alone():
    net = mlp()
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    x_before, g_before = x.copy(), g.copy()
    y = net.forward(x)
    y_before = y.copy()
    gx = net.backward(x, g)
    gx_before = gx.copy()
    net.forward(2 * x)
    net.backward(2 * x, 2 * g)
    for now, before in ((x, x_before), (g, g_before), (y, y_before), (gx, gx_before)):
        np.testing.assert_array_equal(now, before)


def test_gradients_accumulate_until_they_are_zeroed():
    net = mlp()
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net.forward(x)
    net.backward(x, g)
    once = [a.copy() for a in net.parameters()[1]]
    net.backward(x, g, scale=0.5)
    for a, b in zip(net.parameters()[1], once):
        np.testing.assert_allclose(a, 1.5 * b)
    net.zero_grad_parameters()
    assert not any(a.any() for a in net.parameters()[1])


def test_the_three_parts_of_backward_can_be_called_one_by_one():
    net = mlp()
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    expected_output, expected_grad = net.forward(x), net.backward(x, g)
    expected = [a.copy() for a in net.parameters()[1]]
    net.zero_grad_parameters()
    np.testing.assert_array_equal(net.update_output(x), expected_output)
    np.testing.assert_array_equal(net.update_grad_input(x, g), expected_grad)
    net.acc_grad_parameters(x, g)
    for a, b in zip(net.parameters()[1], expected):
        np.testing.assert_array_equal(a, b)


def test_the_parts_of_backward_need_a_forward():
    for call in (lambda net: net.update_grad_input(None, None), lambda net: net.acc_grad_parameters(None, None)):
        with pytest.raises(StateError, match="needs a forward"):
            call(mlp())


def test_output_and_grad_input_are_kept_as_in_torch():
    net = mlp()
    y = net.forward(np.ones(4))
    gx = net.backward(np.ones(4), np.ones(2))
    assert net.output is y and net.grad_input is gx
    y = net.update_output(np.ones(4))
    assert net.output is y and net.update_grad_input(np.ones(4), np.ones(2)) is net.grad_input
    np.testing.assert_allclose(net.node("hidden").module.output, net.tape["hidden"].output)


def test_threads_do_not_disturb_each_other():
    net = mlp()
    xs = [rng.standard_normal((50, 4)) for _ in range(4)]
    expected = [net.forward(x).copy() for x in xs]
    wrong = []

    def work(x, y):
        for _ in range(100):
            call = nn.Call(net, x)
            if not np.array_equal(call.output, y):
                wrong.append(call)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(xs, expected)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_runs_do_not_pile_up_in_memory():
    net = mlp()
    first = weakref.ref(net.forward(np.ones(4)))
    for _ in range(3):
        net.forward(np.ones(4))
    gc.collect()
    assert first() is None


def test_a_run_has_the_memory_of_the_last_one():
    class Keeping(nn.Identity):
        kept = staticmethod(lambda: None)

        def update_output(self, input):
            assert Keeping.kept() is None
            self.saved = input.copy()
            Keeping.kept = weakref.ref(self.saved)
            return input

    x = nn.Identity()()
    for net in (Keeping(), nn.Sequential(Keeping()), GModule(x, Keeping()(x))):
        for _ in range(3):
            net.forward(np.ones(4))
        Keeping.kept = staticmethod(lambda: None)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: nn.Linear(4, 2), (3, 4)),
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.Tanh()), (3, 4)),
        (mlp, (3, 4)),
        (lambda: mlp().compile(), (3, 4)),
        (lambda: Recurrent(mlp(), feedback=[]), (5, 3, 4)),
        (lambda: Recurrent(mlp(), feedback=[], compiled=False), (5, 3, 4)),
    ],
    ids=["linear", "sequential", "graph", "compiled graph", "recurrent", "recurrent node by node"],
)
def test_a_module_goes_with_its_last_user_and_what_its_run_kept_with_it(make, shape):
    module = make()
    gc.disable()
    try:
        module.backward(None, module.forward(np.ones(shape)))
        gone = weakref.ref(module)
        del module
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("make", [lambda: nn.Linear(4, 2), mlp, lambda: mlp().compile()])
def test_a_gradient_is_taken_in_the_type_of_the_output(make):
    net = make().float()
    x, g = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal((3, 2)).astype(np.float32)
    net.forward(x)
    expected = net.backward(x, g)
    given = net.backward(x, g.astype(float))
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, expected)
    assert net.backward(x, np.ones((3, 2), int)).dtype == np.float32


# A module like any other


def test_flat_parameters_are_the_parameters():
    net = mlp()
    x = rng.standard_normal((3, 4))
    before = net.forward(x)
    net.forward(x)
    flat, gradient = net.get_parameters()
    net.backward(x, np.ones((3, 2)))
    assert gradient.any()
    np.testing.assert_array_equal(net.forward(x), before)
    flat *= 0
    assert not net.forward(x).any()
    again, _ = net.get_parameters()
    assert again is flat


def test_backward_reads_the_parameters_as_they_are_also_when_they_were_flattened_since_forward():
    net = mlp()
    x = rng.standard_normal((3, 4))
    net.forward(x)
    flat, _ = net.get_parameters()
    flat[:] = 0
    assert not net.backward(x, np.ones((3, 2))).any()


def test_float_and_double():
    net = mlp().float()
    x = rng.standard_normal((3, 4)).astype(np.float32)
    assert net.forward(x).dtype == np.float32
    assert net.backward(x, np.ones((3, 2), np.float32)).dtype == np.float32
    assert all(a.dtype == np.float32 for arrays in net.parameters() for a in arrays)
    assert net.double().forward(x.astype(float)).dtype == np.float64


def test_conversion_keeps_shared_arrays_shared():
    x, y = nn.Identity()(), nn.Identity()()
    linear = nn.Linear(3, 3)
    twin = linear.clone("weight", "bias", "grad_weight", "grad_bias")
    net = GModule([x, y], nn.CAddTable()([linear(x), twin(y)])).float()
    assert linear.weight is twin.weight and linear.weight.dtype == np.float32
    assert net.get_parameters()[0].size == 12


def test_clone_is_independent_but_for_what_is_shared():
    net = mlp()
    twin, shared = net.clone(), net.clone("weight", "bias")
    net.parameters()[0][0][...] = 0
    assert twin.parameters()[0][0].any()
    assert shared.parameters()[0][0] is net.parameters()[0][0]
    assert twin.node("hidden") is not net.node("hidden")
    assert [n.name for n in twin.nodes] == [n.name for n in net.nodes]


COPIES = [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_has_graphs_and_programs_of_its_own(copied):
    net = mlp()
    assert net.fg.number_of_nodes() == net.bg.number_of_nodes() == 4
    assert copied(net).store is None
    twin = copied(net.compile())
    assert twin.store is not None and twin.store is not net.store
    assert set(twin.fg) == set(twin.bg) == set(twin.nodes)


@pytest.mark.parametrize("copied", COPIES[1:])
def test_copies(copied):
    net = mlp()
    x = rng.standard_normal((3, 4))
    y = net.forward(x)
    twin = copied(net)
    np.testing.assert_array_equal(twin.forward(x), y)
    assert twin.node("hidden").place == net.node("hidden").place


def test_share():
    a, b = mlp(), mlp()
    assert a.share(b, "weight", "bias") is a
    assert all(p is q for p, q in zip(a.parameters()[0], b.parameters()[0]))
    with pytest.raises(ArgumentError, match="structures differ"):
        a.share(nn.Linear(2, 2), "weight")
    with pytest.raises(ArgumentError, match="share with a module"):
        a.share(None, "weight")


def test_shared_parameters_with_gradients_of_their_own():
    """Torch refuses to flatten these, too; a step goes down both gradients."""
    x = nn.Identity()()
    a = nn.Linear(2, 2)
    b = a.clone("weight", "bias")
    net = GModule(x, nn.CAddTable()([a(x), b(x)]))
    net.forward(np.ones((1, 2)))
    net.zero_grad_parameters()
    net.backward(None, np.ones((1, 2)))
    before = a.weight.copy()
    net.update_parameters(0.5)
    np.testing.assert_allclose(b.weight, before - 0.5 * (a.grad_weight + b.grad_weight))
    with pytest.raises(ArgumentError, match=r"shape \(2, 2\) is shared, its gradient is not"):
        net.get_parameters()


def test_arrays_that_overlap_are_not_mistaken_for_two():
    x = nn.Identity()()
    a, b = nn.Linear(2, 3), nn.Linear(3, 2)
    b.weight, b.grad_weight = a.weight.T, a.grad_weight.T
    net = GModule(x, b(a(x)))
    with pytest.raises(ArgumentError, match="overlap in memory"):
        net.get_parameters()
    pieces = np.zeros((2, 6))
    a.weight, b.weight = pieces[:, ::2].reshape(3, 2), pieces[:, 1::2]
    assert net.get_parameters()[0].size == 17


def test_flattening_a_part_keeps_the_tie_of_the_whole():
    x, y = nn.Identity()(), nn.Identity()()
    inner = GModule(y, nn.Linear(2, 2)(y))
    net = GModule(x, nn.Linear(2, 2)(inner(nn.Linear(3, 2)(x))))
    whole, _ = net.get_parameters()
    part, _ = inner.get_parameters()
    assert part.size == 6 and np.shares_memory(part, whole) and net.get_parameters()[0] is whole


def test_apply_training_evaluate_find_modules():
    net = mlp()
    seen = []
    net.apply(seen.append)
    assert seen[0] is net and len(seen) == 5
    assert not any(m.train for m in net.evaluate().list_modules())
    assert all(m.train for m in net.training().list_modules())
    linears = [net.node("hidden").module, net.node("y").module]
    assert net.find_modules("Linear") == net.find_modules(nn.Linear) == linears


def test_replace():
    net = mlp()

    def wider(module):
        if isinstance(module, nn.Linear):
            return nn.Linear(4, 7) if module.output_size == 5 else nn.Linear(7, 2)
        return nn.Sigmoid() if isinstance(module, nn.Tanh) else module

    assert net.replace(wider) is net
    assert net.output_shape((3, 4)) == (3, 2) and not net.find_modules("Tanh")
    check_gradients(net, rng.standard_normal((3, 4)))


def test_a_replacement_that_is_no_module_changes_nothing():
    net = mlp()
    modules = [node.module for node in net.nodes]
    with pytest.raises(ArgumentError, match="Tanh `squashed` at .* must give a module, gave None"):
        net.replace(lambda module: None if isinstance(module, nn.Tanh) else nn.Identity())
    assert [node.module for node in net.nodes] == modules


def test_reset_draws_anew():
    net = mlp()
    before = net.get_parameters()[0].copy()
    net.reset()
    assert (net.get_parameters()[0] != before).all()


def test_clear_state_forgets_the_run():
    net = mlp()
    net.forward(np.ones(4))
    net.clear_state()
    assert net.tape is None and all(m.output is None for m in net.list_modules())


def test_output_shape_needs_no_numbers():
    assert mlp().output_shape((10**12, 4)) == (10**12, 2)


def test_a_module_that_does_not_tell_its_output_s_shape():
    class Mine(nn.Module):
        def update_output(self, input):
            return input

    x = nn.Identity()()
    net = GModule(x, nn.Tanh()(Mine()(x).annotate(name="mine")))
    assert net.forward(np.zeros(2)).shape == (2,)
    with pytest.raises(ModuleError, match="Mine `mine` at .* does not tell its output's shape"):
        net.output_shape((2,))


def test_named_parameters_use_the_names_of_nodes():
    net = mlp()
    parameters, gradients = net.named_parameters(), net.named_parameters("gradient")
    assert list(parameters) == list(gradients) == ["hidden.weight", "hidden.bias", "y.weight", "y.bias"]
    for found, arrays in zip((parameters, gradients), net.parameters()):
        assert all(a is b for a, b in zip(found.values(), arrays, strict=True))


def test_named_parameters_of_nodes_without_a_name_of_their_own_use_places():
    x = nn.Identity()().annotate(name="x")
    alone = GModule(x, nn.Linear(2, 2)(x))
    assert list(alone.named_parameters()) == ["1.weight", "1.bias"]
    x = nn.Identity()()
    first, second, third = (nn.CMul(2)(x).annotate(name=name) for name in ("twice", "twice", "0"))
    net = GModule(x, [first, second, third])
    assert list(net.named_parameters()) == ["1.weight", "2.weight", "3.weight"]


def test_repr_of_a_node_that_takes_nothing():
    x = nn.Identity()()
    net = GModule(x, nn.CMulTable()([x, nn.Parameters(3)()]))
    assert repr(net).splitlines()[1:3] == ["  0: Identity() <- input 0", "  1: Parameters(3)"]


def test_repr_reads_well():
    assert repr(mlp()).splitlines() == [
        "GModule(",
        "  x: Identity() <- input 0",
        "  hidden: Linear(4, 5) <- x",
        "  squashed: Tanh() <- hidden",
        "  y: Linear(5, 2) <- squashed",
        "  -> y",
        ")",
    ]


# Looking inside


def test_the_graphs_are_networkx_graphs():
    x = nn.Identity()()
    y = nn.CAddTable()([x, x])
    net = GModule(x, y)
    assert set(net.fg.nodes) == {x, y} and net.fg.edges[x, y]["positions"] == [0, 1]
    assert list(net.bg.edges) == [(y, x)] and isinstance(x, Node)


def test_the_tape_holds_each_nodes_values_and_gradients():
    net = mlp()
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    y = net.forward(x)
    gx = net.backward(x, g)
    assert net.tape["x"].output is x and net.tape["y"].output is y and net.tape["x"].grad_input is gx
    np.testing.assert_array_equal(net.tape[net.node("squashed")].grad_output, g @ net.node("y").module.weight)
    assert [node.name for node, _ in net.tape] == ["x", "hidden", "squashed", "y"]
    with pytest.raises(ArgumentError):
        net.tape["nobody"]
    with pytest.raises(ArgumentError, match="the names are"):
        net.node("nobody")


def test_hooks_see_every_node_forward_and_backward():
    net = mlp()
    seen = []
    with net.watch(lambda n, c: seen.append(("forward", n.name)), lambda n, c: seen.append(("backward", n.name))):
        net.forward(np.ones(4))
        net.backward(None, np.ones(2))
    net.forward(np.ones(4))
    names = ["x", "hidden", "squashed", "y"]
    assert seen == [("forward", n) for n in names] + [("backward", n) for n in reversed(names)]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_watch_in_one_direction(direction):
    net, seen = mlp(), []
    with net.watch(**{direction: lambda node, call: seen.append(node.name)}):
        net.forward(np.ones(4))
        net.backward(None, np.ones(2))
    assert sorted(seen) == ["hidden", "squashed", "x", "y"]


def test_a_backward_that_is_looked_at_goes_node_by_node_also_after_a_compiled_forward():
    net, x, g = mlp().compile(), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net.forward(x)
    expected, seen = net.backward(x, g), []
    net.forward(x)
    with net.watch(backward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.backward(x, g), expected, rtol=1e-12)
    assert seen == ["y", "squashed", "hidden", "x"]


def test_a_backward_that_is_looked_at_when_the_run_cannot_be_repeated_is_not_seen_but_right():
    net, x, g = mlp().compile(), rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net.forward(x)
    expected, seen = net.backward(x, g), []
    net.forward(x)
    net.node("hidden").module.bias += 1
    with net.watch(backward=lambda node, call: seen.append(node.name)):
        np.testing.assert_allclose(net.backward(x, g), expected, rtol=1e-12)
    assert seen == []


def two_by_two():
    x, y = nn.Identity()(), nn.Identity()()
    return GModule([x, y], [nn.CAddTable()([x, y]), nn.Tanh()(x)])


def test_the_shape_of_one_array_is_none_of_several_inputs():
    assert two_by_two().output_shape([(3,), (3,)]) == [(3,), (3,)]
    with pytest.raises(InputError, match="the graph has 2 inputs"):
        two_by_two().output_shape((3, 3))


def test_no_gradient_at_all_is_a_gradient_of_zeros():
    network, input = two_by_two(), [np.ones(3), np.ones(3)]
    network.forward(input)
    assert [g.tolist() for g in network.backward(input, None)] == [[0, 0, 0], [0, 0, 0]]


def test_a_module_that_fails_at_its_parameters_is_named_with_the_gradient_that_came():
    class Failing(nn.Tanh):
        def acc_grad_parameters(self, input, grad_output, scale=1.0):
            raise RuntimeError("no room")

    x = nn.Identity()()
    network = GModule(x, Failing()(x).annotate(name="y"))
    network.forward(np.ones((2, 3)))
    with pytest.raises(ModuleError, match=r"Failing `y` at .* got gradient \(2, 3\): RuntimeError: no room"):
        network.backward(np.ones((2, 3)), np.ones((2, 3)))


def test_a_watch_ends_with_its_context_or_before():
    network, seen = two_by_two(), []
    with network.watch(forward=lambda node, call: seen.append(node)) as watch:
        network.forward([np.ones(3), np.ones(3)])
        watch.remove()
        network.forward([np.ones(3), np.ones(3)])
    assert seen == network.nodes and network.hooks == []
