"""What one can do with an exported module: bring its numbers back, save, move, trace it; and what is refused."""

import copy
import io

import numpy as np
import pytest
from torch_judge import arrays, assert_close, assert_same, call, load_torch, tensors, to_torch, torch

from nodegraph import GModule, Recurrent, nn, table
from nodegraph.errors import ArgumentError, ExportError
from nodegraph.export.torch import register
from nodegraph.models.lstm import create, lstm

from module_examples import EXAMPLES, example

OTHERS = {"Kmeans", "LookupTableMaskZero"}
"""What cannot be expressed, and what has a row that is set to zero when it runs here."""


def changed(module):
    """The module in PyTorch with other numbers."""
    theirs = to_torch(module)
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape)) if tensor.is_floating_point() else tensor
    return theirs


# Numbers back


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in OTHERS and example(name)[0].parameters()[0]])
def test_the_numbers_come_back(name):
    module, input = example(name)
    assert_same(load_torch(module, changed(module)), to_torch(module), input)


def test_buffers_and_shared_parameters_come_back():
    x = nn.Identity()()
    layer = nn.Linear(3, 3)
    module = GModule(x, nn.BatchNormalization(3)(layer(layer(x)).annotate(name="a.b")))
    theirs = changed(module)
    load_torch(module, theirs.state_dict())
    assert (module.nodes[-1].module.running_mean == theirs.state_dict()["3.running_mean"].numpy()).all()
    assert (layer.weight == theirs.state_dict()["1.weight"].numpy()).all()


def test_arrays_will_do_for_tensors():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    state = {"0.weight": np.arange(6.0).reshape(2, 3), "0.bias": np.ones(2)}
    load_torch(module, state)
    assert (module[0].weight == state["0.weight"]).all() and (module[0].bias == 1).all()


def test_what_does_not_fit_is_named_and_nothing_is_changed():
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = [p.copy() for p in module.parameters()[0]]
    state = to_torch(module).state_dict()
    wrong = {**state, "1.bias": torch.zeros(5)}
    renamed = {("2" + name[1:] if name == "1.bias" else name): value for name, value in state.items()}
    for given, words in [
        (wrong, r"1.bias has the shape \(5,\), the module's has \(2,\)"),
        (renamed, r"missing \['1.bias'\], unknown \['2.bias'\]"),
        ({**state, "1.bias": 3}, "1.bias must be a tensor, got int"),
        (7, "takes a PyTorch module or a state_dict, got int"),
    ]:
        with pytest.raises(ArgumentError, match=words):
            load_torch(module, given)
    assert all((p == b).all() for p, b in zip(module.parameters()[0], before))
    with pytest.raises(ArgumentError, match="takes one of our modules first"):
        load_torch(torch.nn.Linear(1, 1), {})


# What is refused


def test_all_that_cannot_be_expressed_is_named_at_once():
    class Mine(nn.Module):
        def update_output(self, input):
            return input

    class Louder(nn.Linear):
        def update_output(self, input):
            return 2 * super().update_output(input)

    class Odd(nn.Pointwise):
        def formula(self, x):
            return np.sort(x)

    module = nn.Sequential(Mine(), nn.Linear(2, 2), Louder(2, 2), nn.Kmeans(2, 2), Odd())
    with pytest.raises(ExportError) as error:
        to_torch(module)
    for words in (
        "Mine (no translation",
        "Louder (no translation",
        "Kmeans (its centres",
        "Odd (its formula uses sort",
    ):
        assert words in str(error.value)
    assert "Linear (" not in str(error.value).replace("nn.Linear", "")


@pytest.mark.parametrize("value", [nn.Linear, "x", None])
def test_what_is_no_module(value):
    with pytest.raises(ArgumentError, match="to_torch takes a module"):
        to_torch(value)


def test_parameters_that_overlap_are_refused():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight, b.grad_weight = a.weight.T, a.grad_weight.T
    with pytest.raises(ArgumentError, match="overlap in memory"):
        to_torch(nn.Sequential(a, b))


# Classes of the user's own


class Swish(nn.Pointwise):
    """A formula with a setting, an array and functions of NumPy."""

    def __init__(self, beta):
        self.beta, self.scale = beta, np.array([1.0, 2.0, 3.0])

    def formula(self, x):
        return np.where(x > -1, x / (1 + np.exp(-self.beta * x)), np.minimum(x, 0.5)) * self.scale

    def derivative(self, x, y):
        s = 1 / (1 + np.exp(-self.beta * x))
        return np.where(x > -1, s + self.beta * x * s * (1 - s), x < 0.5) * self.scale


class Gate(nn.Pointwise):
    arity = None

    def formula(self, *xs):
        return xs[0] * np.tanh(sum(xs[1:]))

    def derivatives(self, xs, y):
        t = np.tanh(sum(xs[1:]))
        return [t, *[xs[0] * (1 - t * t)] * (len(xs) - 1)]


class Odds(nn.ViewModule):
    def view(self, input):
        return [input[..., 1::2], [input.T, input[:, ::-1].reshape(-1)]]


def test_formulas_and_views_need_no_translation():
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert_same(Swish(2.0), to_torch(Swish(2.0)), x)
    assert_same(Gate(), to_torch(Gate()), [x, x + 1, x * x])
    module, theirs = Odds(), to_torch(Odds())
    assert_close(arrays(theirs(tensors(x))), module.forward(x))
    a = nn.Identity()()
    graph = GModule(a, Gate()([a, Swish(1.0)(a)]))
    assert_same(graph, to_torch(graph), x)


def test_a_view_is_found_once_for_each_shape():
    theirs = to_torch(Odds())
    for shape in ((4, 3), (2, 5), (4, 3)):
        x = np.random.default_rng(0).normal(size=shape)
        given = tensors(x)
        output = theirs(given)
        assert_close(arrays(output), Odds().forward(x))
    assert len(theirs.found) == 2


def test_a_translation_of_ones_own():
    class Doubled(nn.Module):
        parameter_names = ()

        def update_output(self, input):
            return 2 * input

        def update_grad_input(self, input, grad_output):
            return 2 * grad_output

    class Twice(torch.nn.Module):
        def forward(self, input):
            return 2 * input

    @register(Doubled)
    def doubled(module, converter):
        return Twice()

    module = nn.Sequential(Doubled(), nn.Linear(3, 2))
    assert_same(module, to_torch(module), np.ones((2, 3)))


# What PyTorch's own tools make of it


def recurrent():
    module = Recurrent(lstm(7, 5, 1))
    return module, [np.array([[0, 3], [6, 1], [2, 2]]), np.ones((2, 5)), np.zeros((2, 5))]


def cell():
    return create(3, 2), [np.ones((4, 3)), np.zeros((4, 2)), np.ones((4, 2))]


def network():
    layers = [nn.SpatialConvolution(3, 4, 3, 3), nn.SpatialBatchNormalization(4), nn.ReLU(), nn.SpatialMaxPooling(2, 2)]
    return nn.Sequential(*layers, nn.View(-1).set_num_input_dims(3), nn.Linear(8, 2), nn.LogSoftMax()), np.ones(
        (2, 3, 6, 4)
    )


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("make", [recurrent, cell, network])
def test_it_can_be_exported_traced_copied_and_saved(make):
    module, input = make()
    module.evaluate()
    theirs, given = to_torch(module), tensors(input)
    arguments = tuple(given) if isinstance(given, list) else (given,)
    expected = module.forward(input)

    def check(function):
        output = function(*arguments)
        assert_close(arrays(list(output) if isinstance(output, tuple) else output), expected)

    check(torch.export.export(theirs, arguments).module())
    check(torch.jit.trace(theirs, arguments))
    check(copy.deepcopy(theirs))
    file = io.BytesIO()
    torch.save(theirs, file)
    file.seek(0)
    check(torch.load(file, weights_only=False))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:The TorchScript type system:UserWarning")
def test_a_graph_can_be_scripted():
    module, input = cell()
    output = torch.jit.script(to_torch(module))(*tensors(input))
    assert_close(arrays(list(output)), module.forward(input))


def test_the_batch_of_an_exported_program_may_differ():
    module, input = cell()
    batch = torch.export.Dim("batch")
    program = torch.export.export(to_torch(module), tuple(tensors(input)), dynamic_shapes=[{0: batch}] * 3)
    larger = [np.concatenate([x, x]) for x in input]
    assert_close(arrays(list(program.module()(*tensors(larger)))), module.forward(larger))


def test_it_trains_in_pytorch_and_the_result_runs_here():
    module, input = cell()
    theirs = to_torch(module)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (theirs(*tensors(input))[1] ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    load_torch(module, theirs)
    assert_close(arrays(list(call(theirs, module, tensors(input)))), module.forward(input))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_can_be_cast_and_come_back(dtype):
    module = nn.Sequential(nn.Linear(3, 2), nn.Cosine(2, 2))
    theirs = to_torch(module).to(dtype)
    assert theirs(torch.ones(1, 3, dtype=dtype)).dtype == dtype
    before = [p.copy() for p in module.parameters()[0]]
    load_torch(module, theirs)
    for p, b in zip(module.parameters()[0], before):
        assert p.dtype == np.float64
        np.testing.assert_allclose(p, b, rtol=1e-2)


def test_it_moves_to_another_device():
    for name in EXAMPLES:
        if name != "Kmeans":
            theirs = to_torch(example(name)[0]).to("meta")
            assert {t.device.type for t in theirs.state_dict().values()} <= {"meta"}


def test_second_derivatives():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(to_torch(nn.Sequential(nn.Linear(4, 3), nn.Tanh())), (x,))


def test_tables_are_lists():
    theirs = to_torch(nn.ConcatTable(nn.Identity(), nn.SplitTable(1)))
    output = theirs(torch.ones(2, 3))
    assert isinstance(output, list) and isinstance(output[1], list) and len(list(table.leaves(output))) == 4
