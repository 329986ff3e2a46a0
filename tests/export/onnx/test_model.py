"""to_onnx: names, open axes, types, classes of one's own, what is refused, and random graphs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodegraph import GModule, nn
from nodegraph.errors import ArgumentError, ExportError, ShapeError

from module_examples import numbers
from onnx_judge import assert_same, kinds, open_axes, run

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nodegraph.export import to_onnx  # noqa: E402
from nodegraph.export.onnx import converts, onnx_model  # noqa: E402


def cell():
    x, h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="h")
    i2h = nn.Linear(3, 2)(x).annotate(name="i2h")
    return GModule([x, h], nn.Tanh()(nn.CAddTable()([i2h, nn.Linear(2, 2)(h)])).annotate(name="next_h"))


def test_a_graph_keeps_its_shape_and_its_names():
    graph = onnx_model(cell(), [(5, 3), (5, 2)]).graph
    assert [(operator.name, operator.op_type) for operator in graph.node] == [
        ("i2h", "Gemm"), ("3", "Gemm"), ("4", "Add"), ("next_h", "Tanh")
    ]  # fmt: skip
    assert [input.name for input in graph.input] == ["x", "h"]
    assert [output.name for output in graph.output] == ["next_h"]
    assert {array.name for array in graph.initializer} == {"i2h.weight", "i2h.bias", "3.weight", "3.bias"}


def test_what_is_shared_is_written_once():
    linear = nn.Linear(3, 3)
    graph = onnx_model(nn.Sequential(linear, nn.Tanh(), linear), (5, 3)).graph
    assert [array.name for array in graph.initializer] == ["0.weight", "0.bias"]


def test_axes_with_names_are_open():
    module = nn.Sequential(nn.SpatialConvolution(3, 2, 2, 2), nn.ReLU()).float()
    model = onnx_model(module, ("batch", 3, "height", "width"))
    assert kinds(model) == ["Conv", "Relu"]
    for shape in (2, 3, 5, 6), (1, 3, 9, 2):
        assert_same(module, model, numbers(*shape).astype(np.float32), 1e-5)


def test_a_single_sample_stays_one():
    model = onnx_model(nn.Linear(4, 3), (4,))
    assert not any(open_axes(model))
    assert run(model, numbers(4))[0].shape == (3,)


def test_a_batch_that_is_a_special_case_stays_as_it_is():
    view = nn.View(2, 2)  # of a batch of one it makes a single sample
    assert not any(open_axes(onnx_model(view, (1, 4))))
    assert open_axes(onnx_model(view, (3, 4))) == [True]


def test_inputs_that_are_indices_are_integers():
    module = nn.Sequential(nn.Narrow(1, 0, 2), nn.LookupTable(7, 3))
    model = onnx_model(module, (4, 3))
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
    both = nn.ConcatTable(nn.LookupTable(7, 3), nn.Tanh())
    assert onnx_model(both, (4, 3)).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


def test_what_only_training_does_is_left_out_and_the_module_stays_as_it_was():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5), nn.BatchNormalization(2))
    before = {name: array.copy() for name, array in module.named_parameters("buffer").items()}
    assert kinds(onnx_model(module, (5, 3))) == ["Gemm", "BatchNormalization"]
    assert all(inner.train and inner.output is None for inner in module.list_modules())
    assert all((module.named_parameters("buffer")[name] == array).all() for name, array in before.items())
    assert module.forward(numbers(5, 3)).shape == (5, 2)


# Classes of one's own


class Mish(nn.Pointwise):
    def formula(self, x):
        return x * np.tanh(np.log1p(np.exp(x)))


class Turned(nn.ViewModule):
    def view(self, input):
        return input.T[::-1][None, ..., 1:-1].swapaxes(1, 2)


class Mixed(nn.Module):
    def __init__(self):
        self.weight, self.grad_weight = numbers(3, 4), np.zeros((3, 4))

    def update_output(self, input):
        y = input @ self.weight.T
        y += 1
        np.multiply(y, 2.0, out=y)
        a, b = np.split(np.concatenate([y, np.flip(y, 1)], 1), 2, axis=1)
        scaled = a[:, ::-1] * np.sin(b) / input.shape[0] + np.arange(3.0)
        return scaled + y.mean(0) - y.std(1, keepdims=True) + np.linalg.norm(input, axis=1)[:, None]

    def output_shape(self, shape):
        return (shape[0], 3)


@pytest.mark.parametrize("module", [Mish(), Turned(), Mixed()], ids=lambda module: type(module).__name__)
def test_a_class_of_ones_own_is_written_as_what_it_does_with_numpy(module):
    model = onnx_model(module, ("batch", 4))
    for batch in (3, 6):
        assert_same(module, model, numbers(batch, 4))
    assert "weight" in [array.name for array in model.graph.initializer] or not module.parameters()[0]


def test_small_numbers_keep_their_digits():
    x = np.array([1e-12, -1e-9, 3e-5, 0.5, 40.0, -40.0])
    for module in nn.LogSigmoid(), nn.SoftPlus(), Mish():
        np.testing.assert_allclose(run(onnx_model(module, x.shape), x)[0], module.forward(x), rtol=1e-12)
    slope = nn.ELU(0.1)
    np.testing.assert_allclose(run(onnx_model(slope, x.shape), x)[0], slope.forward(x), rtol=1e-12)


class Sorted(nn.Module):
    parameter_names = ()

    def update_output(self, input):
        return np.sort(input)

    def output_shape(self, shape):
        return shape


class Filled(Sorted):
    def update_output(self, input):
        output = np.zeros(input.shape)
        output[:] = input
        return output


class Branching(Sorted):
    def update_output(self, input):
        return input if input.sum() > 0 else -input


class Baked(Sorted):
    def update_output(self, input):
        return input * int(input.shape[0])


def test_all_that_cannot_be_expressed_is_named_in_one_error_and_nothing_is_written(tmp_path):
    module = nn.Sequential(Sorted(), nn.Linear(4, 2), Filled(), Branching())
    with pytest.raises(ExportError) as caught:
        to_onnx(module, tmp_path / "net.onnx", (5, 4))
    for name, reason in ("Sorted", "np.sort"), ("Filled", "assignment"), ("Branching", "depends on the numbers"):
        assert name in str(caught.value) and reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_depends_on_an_open_length_is_refused():
    with pytest.raises(ExportError, match="not the same for all lengths of batch"):
        onnx_model(Baked(), ("batch", 4))
    assert not any(open_axes(onnx_model(Baked(), (5, 4))))


class WithoutShape(nn.Module):
    parameter_names = ()

    def update_output(self, input):
        return np.sort(input)


def test_the_rest_is_not_looked_at_after_a_class_without_shape():
    x = nn.Identity()()
    for module in nn.Sequential(WithoutShape(), Filled()), GModule(x, Filled()(WithoutShape()(x))):
        with pytest.raises(ExportError, match=r"ONNX cannot express WithoutShape\(\) \(np.sort\)$"):
            onnx_model(module, (5, 4))


class Conditions(Sorted):
    def update_output(self, input):
        return (input > 0) + (input > 1)


def test_what_the_checker_does_not_take_is_told_in_one_line():
    with pytest.raises(ExportError, match="the graph does not pass ONNX' check: .*Add.*bool") as caught:
        onnx_model(Conditions(), (5, 4))
    assert "\n" not in str(caught.value)


class Tiled(Sorted):
    """A vector whose length is a sum of products of lengths."""

    def update_output(self, input):
        return np.broadcast_to(input.sum(), self.output_shape(input.shape))

    def output_shape(self, shape):
        return (2 * shape[0] * shape[1] + shape[0] - 1,)


class Halved(Tiled):
    def output_shape(self, shape):
        return (shape[0] // 2,)


def test_lengths_are_worked_out_as_far_as_they_are_sums_of_products():
    model = onnx_model(Tiled(), ("batch", "n"))
    for shape in (3, 4), (1, 1):
        assert_same(Tiled(), model, numbers(*shape))
    with pytest.raises(ExportError, match=r"a length that the graph would have to work out, \(batch\)//\(2\)"):
        onnx_model(Halved(), ("batch", 4))
    assert_same(Halved(), onnx_model(Halved(), (6, 4)), numbers(6, 4))


def test_nodes_of_one_name_are_told_apart():
    x, y = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="x")
    module = GModule([x, y], nn.CSubTable()([x, y]).annotate(name="x"))
    model = onnx_model(module, [(5, 3), (5, 3)])
    names = [value.name for value in [*model.graph.input, *model.graph.output]]
    assert len(set(names)) == 3 and names[0] == "x"
    assert_same(module, model, [numbers(5, 3), numbers(5, 3, seed=1)])


def test_a_class_can_be_registered():
    class Erf(Sorted):
        def update_output(self, input):
            raise NotImplementedError

    @converts(Erf)
    def erf(conversion, module, x):
        return conversion.apply("Erf", x)

    assert kinds(onnx_model(nn.Sequential(Erf()), ("batch", 4))) == ["Erf"]


def test_refusals_name_what_was_given():
    with pytest.raises(ShapeError, match=r"Linear\(4, 3\) got \(5, 2\)"):
        onnx_model(nn.Linear(4, 3), (5, 2))
    with pytest.raises(ShapeError, match="`i2h`.* got .*`x`"):
        onnx_model(cell(), [(5, 4), (5, 2)])
    with pytest.raises(ArgumentError, match="a shape is"):
        onnx_model(nn.Linear(4, 3), "abc")
    with pytest.raises(ArgumentError, match="takes a module"):
        onnx_model(np.tanh, (5, 2))
    with pytest.raises(ArgumentError, match="at most 8 axes can be open, got a, b, c, d, e, f, g, h, i"):
        onnx_model(nn.Identity(), tuple("abcdefghi"))


def test_what_is_larger_than_a_file_can_be_is_refused(monkeypatch):
    monkeypatch.setattr("nodegraph.export.onnx.model.LARGEST", 2**10)
    with pytest.raises(ExportError, match="holds at most 2 GiB, the module's parameters have 0.0 GiB"):
        onnx_model(nn.Linear(100, 100), (5, 100))


# Random graphs

POINTWISE = [nn.Tanh, nn.Sigmoid, nn.ReLU, nn.SoftPlus, nn.Square, nn.ELU, nn.HardTanh, nn.Abs]
SIZE = 4


@st.composite
def graphs(draw):
    """A graph of up to ten nodes over arrays (batch, 4), with views, tables, products and nodes of several outputs."""
    inputs = [nn.Identity()() for _ in range(draw(st.integers(1, 3)))]
    nodes, used = list(inputs), set()

    def pick():
        node = nodes[draw(st.integers(0, len(nodes) - 1))]
        used.add(node)
        return node

    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["pointwise", "linear", "add", "multiply", "halves", "transposed"]))
        if kind == "pointwise":
            node = draw(st.sampled_from(POINTWISE))()(pick())
        elif kind == "linear":
            node = nn.Linear(SIZE, SIZE)(pick())
        elif kind == "add":
            node = nn.CAddTable()([pick() for _ in range(draw(st.integers(2, 4)))])
        elif kind == "multiply":
            node = nn.CMulTable()([pick(), pick()])
        elif kind == "halves":
            left, right = nn.Reshape(2, SIZE // 2)(pick()), nn.Reshape(2, SIZE // 2)(pick())
            parts = [nn.Select(1, draw(st.integers(-2, 1)))(left), nn.Select(1, draw(st.integers(0, 1)))(right)]
            node = nn.JoinTable(1)(parts)
        else:
            node = nn.Sequential(nn.Reshape(2, SIZE // 2), nn.Transpose((1, 2)), nn.Reshape(SIZE))(pick())
        nodes.append(node)
    loose = [node for node in nodes if node not in used]
    return GModule(inputs, loose)


@settings(max_examples=30, deadline=None)
@given(graphs(), st.integers(1, 6))
def test_random_graphs(gmodule, batch):
    shapes = [("batch", SIZE)] * len(gmodule.inputs)
    model = onnx_model(gmodule, shapes if len(shapes) > 1 else shapes[0])
    values = [numbers(batch, SIZE, seed=i) for i in range(len(shapes))]
    assert_same(gmodule, model, values if len(values) > 1 else values[0], 1e-9)
