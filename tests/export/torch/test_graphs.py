"""Graphs in PyTorch: all that were computed with Torch7, random ones, and how their code reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_judge import arrays, assert_same, backward, call, gradients, tensors, to_torch, torch

from nodegraph import GModule, nest, nn, table
from nodegraph.models.lstm import create, stack

import oracle

CASES = [case for file in ("graphs.json", "graphs_more.json") for case in oracle.cases(file)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_computes_what_torch7_did(case):
    gmodule, modules = oracle.prepared_graph(case)
    theirs = to_torch(gmodule)
    given = tensors(table.as_value(oracle.graph_input(case)))
    output = call(theirs, gmodule, given)
    output = list(output) if isinstance(output, tuple) else output
    oracle.assert_equal(arrays(output), case["output"], what="output")
    backward(output, oracle.value(case["gradOutput"]))
    oracle.assert_equal(gradients(given), case["gradInput"], what="gradInput")
    parameters = dict(theirs.named_parameters())
    assert list(parameters) == list(gmodule.named_parameters())
    found = {id(array): parameters[name] for name, array in gmodule.named_parameters().items()}
    for path, fields in case["gradParams"].items():
        for field, stored in fields.items():
            target, name = oracle.owner(modules[path], field)
            oracle.assert_equal(gradients(found[id(getattr(target, name))]), stored, what=f"{path}.{field}")


ONE = [
    nn.Tanh,
    nn.Sigmoid,
    nn.SoftSign,
    nn.Identity,
    lambda: nn.Linear(4, 4),
    lambda: nn.Narrow(1, 0, 4),
    nn.LogSoftMax,
]
TWO = [nn.CAddTable, nn.CMulTable, nn.CSubTable, nn.CMaxTable, lambda: nn.Bilinear(4, 4, 4)]


@st.composite
def graphs(draw):
    """A graph of modules from (batch, 4) to (batch, 4), some of which stand at several nodes."""
    inputs = [nn.Identity()() for _ in range(draw(st.integers(1, 3)))]
    nodes, modules, unused = list(inputs), [], set(inputs)
    for _ in range(draw(st.integers(1, 12))):
        two = len(nodes) > 1 and draw(st.booleans())
        parents = [draw(st.sampled_from(nodes)) for _ in range(1 + two)]
        known = [module for n, module in modules if n == len(parents)]
        make = draw(st.sampled_from(TWO if two else ONE))
        module = draw(st.sampled_from(known)) if known and draw(st.booleans()) else make()
        modules.append((len(parents), module))
        node = module(parents if two else parents[0])
        if draw(st.booleans()):
            node.annotate(name=draw(st.sampled_from(["a", "b.c", "forward", "training", "x y", "2", "lambda", "b_c"])))
        unused = (unused - set(parents)) | {node}
        nodes.append(node)
    outputs = [node for node in nodes if node in unused] + draw(st.lists(st.sampled_from(nodes), max_size=2))
    return GModule(inputs, [*outputs, nest(inputs)])


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_random_graphs(gmodule):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(2, 4)) for _ in gmodule.inputs]
    input, given = values, tensors(values)
    ours, theirs = gmodule, to_torch(gmodule)
    output = call(theirs, ours, given if len(given) > 1 else given[0])
    ours.zero_grad_parameters()
    expected = ours.forward(input if len(input) > 1 else input[0])
    for a, b in zip(table.leaves(expected), table.leaves(output), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a, rtol=1e-10, atol=1e-10)
    grad_output = table.map(np.ones_like, expected)
    grad_input = ours.backward(input if len(input) > 1 else input[0], grad_output)
    backward(output, grad_output)
    for a, b in zip(table.leaves(grad_input), table.leaves(gradients(given)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-10)
    for gradient, parameter in zip(ours.named_parameters("gradient").values(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(gradients(parameter), gradient, rtol=1e-9, atol=1e-10)


def test_the_code_reads_as_the_graph_was_wired():
    theirs = to_torch(create(3, 2))
    assert isinstance(theirs, torch.fx.GraphModule)
    lines = [line.split(";")[0].strip() for line in theirs.code.splitlines()]
    for line in (
        "def forward(self, x, prev_c, prev_h):",
        "i2h = self.i2h(x)",
        "pre_sigmoid_chunk = torch.narrow(preactivations, 1, 0, 6)",
        "all_gates = torch.sigmoid(pre_sigmoid_chunk)",
        "c_transform = torch.tanh(next_c)",
        "return (next_c, next_h)",
    ):
        assert line in lines


def test_graphs_inside_graphs_and_containers():
    module = stack(3, 4, 2)
    input = [np.random.default_rng(i).normal(size=(5, n)) for i, n in enumerate((3, 4, 4, 4, 4))]
    assert_same(module, to_torch(module), input)
    inside = nn.Sequential(create(3, 4), nn.JoinTable(1))
    assert_same(inside, to_torch(inside), input[:3])


def test_names_that_pytorch_cannot_take():
    x = nn.Identity()().annotate(name="in")
    a = nn.Linear(3, 3)(x).annotate(name="layer.one")
    b = nn.Linear(3, 3)(a).annotate(name="layer_one")
    c = nn.Linear(3, 3)(b).annotate(name="forward")
    theirs = to_torch(GModule(x, nn.Linear(3, 2)(c).annotate(name="lambda")))
    names = ["layer_one", "layer_one_", "forward_", "lambda_"]
    assert list(dict(theirs.named_children())) == names
    assert theirs(torch.ones(2, 3).double()).shape == (2, 2)


def test_shared_modules_and_shared_arrays_stay_shared():
    x = nn.Identity()()
    layer, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.share(layer, "weight", "grad_weight")
    module = GModule(x, other(layer(layer(x))))
    theirs = to_torch(module)
    assert [name for name, _ in theirs.named_parameters()] == ["1.weight", "1.bias", "3.bias"]
    assert_same(module, theirs, np.ones((2, 3)))


class Tripled(nn.Pointwise):
    """With an array in its formula, so that it stays a module of its own."""

    def formula(self, x):
        return x * np.array([3.0, 3.0])

    def derivative(self, x, y):
        return 3 * np.ones_like(x)


def test_names_that_are_taken_are_not_given_again():
    x = nn.Identity()()
    graph = GModule(x, Tripled()(Tripled()(x).annotate(name="tripled_2")))
    theirs = to_torch(graph)
    assert_same(graph, theirs, np.ones((3, 2)))
    assert [name for name, _ in theirs.named_children()] == ["tripled_2", "tripled_2_"]
