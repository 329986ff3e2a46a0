"""A GModule is a module like any other: parameters, copies, sharing, replacing, how it reads."""

import copy
import pickle

import numpy as np
import pytest

from nodegraph import GModule, check_gradients, nn
from nodegraph.errors import ArgumentError, ModuleError

from small_graphs import mlp

rng = np.random.default_rng(0)


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
    for refused in (net.get_parameters, lambda: net.update_parameters(0.1)):
        with pytest.raises(ArgumentError, match="overlap in memory"):
            refused()
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


def test_replace_asks_once_for_a_module_that_stands_at_two_nodes():
    x, tanh, asked = nn.Identity()(), nn.Tanh(), []
    net = GModule(x, tanh(tanh(x)))
    net.replace(lambda module: asked.append(module) or module)
    assert asked == [x.module, tanh, net]


def test_a_replacement_that_is_no_module_changes_nothing():
    net = mlp()
    modules = [node.module for node in net.nodes]
    with pytest.raises(ArgumentError, match="Tanh `squashed` at .* must give a module, gave None"):
        net.replace(lambda module: None if isinstance(module, nn.Tanh) else nn.Identity())
    assert [node.module for node in net.nodes] == modules


def test_reset_draws_anew():
    net = mlp()
    before = net.get_parameters()[0].copy()
    assert net.reset() is net
    assert (net.get_parameters()[0] != before).all()


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


@pytest.mark.parametrize(
    "names", [("a", "a.0"), ("a.0", "a"), ("a", "a.0.weight"), ("a.b", "a.b.0"), ("x", "1.0"), ("", ".")]
)
def test_no_name_leads_into_another_node(names):
    """Else a parameter would be missing, in checkpoints for one."""
    x = nn.Identity()()
    inner = nn.Sequential(nn.Linear(2, 2))(x).annotate(name=names[0])
    net = GModule(x, nn.Linear(2, 2)(inner).annotate(name=names[1]))
    assert len(net.named_parameters()) == len(net.parameters()[0])


def test_a_name_may_have_dots():
    x = nn.Identity()()
    net = GModule(x, nn.Linear(2, 2)(nn.Tanh()(x).annotate(name="layer")).annotate(name="layer_1.out"))
    assert list(net.named_parameters()) == ["layer_1.out.weight", "layer_1.out.bias"]
