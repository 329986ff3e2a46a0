"""The runs of a GModule: what they leave alone, what they keep and for how long, in which types they compute."""

import gc
import threading
import weakref

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn
from nodegraph.errors import ModuleError, StateError

from small_graphs import mlp

rng = np.random.default_rng(0)


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


class Tied(nn.Module):
    """Gives its weight, the array itself."""

    def __init__(self):
        self.weight, self.grad_weight = np.ones(2), np.ones(2)

    def update_output(self, input):
        return self.weight


@pytest.mark.parametrize("evaluated", [False, True])
@pytest.mark.parametrize(
    "make", [lambda net: net, lambda net: net.compile(), nn.Sequential], ids=["graph", "compiled", "box"]
)
def test_what_forward_returns_may_be_written_to_before_backward(make, evaluated):
    x, y = nn.Identity()(), nn.Sigmoid()(nn.Identity()())
    net = make(GModule([x, y.parents[0]], [nn.Tanh()(x), nn.SoftMax()(nn.CAddTable()([x, y])), y, x]))
    net = net.evaluate() if evaluated else net
    input, gradients = [*rng.standard_normal((2, 3, 4))], [*rng.standard_normal((4, 3, 4))]
    kept = [value.copy() for value in input]
    net.forward(input)
    expected = net.backward(input, gradients)
    for output in net.forward(input):
        output[...] = 7
    np.testing.assert_array_equal(net.backward(input, gradients), expected)
    np.testing.assert_array_equal(input, kept)


def test_what_forward_returns_is_nobody_elses_though_a_module_gives_its_weight():
    net = GModule([x := nn.Identity()()], Tied()(x))
    y = net.forward(np.zeros(1))
    net.update_parameters(1)
    assert y.tolist() == [1, 1] and net.forward(np.zeros(1)).tolist() == [0, 0]


def test_a_backward_of_another_input_than_that_of_the_last_forward():
    """As of the first of two inputs, when both went forward before."""
    net, (first, second) = mlp(), rng.standard_normal((2, 3, 4))
    net.forward(first)
    net.forward(second)
    with pytest.raises(StateError, match="the last forward was that of another input"):
        net.backward(first, np.ones((3, 2)))
    expected = net.backward(second, np.ones((3, 2)))
    np.testing.assert_array_equal(net.backward(second.copy(), np.ones((3, 2))), expected)
    np.testing.assert_array_equal(net.backward(None, np.ones((3, 2))), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, bool, np.float64])
def test_the_input_of_a_backward_is_taken_as_that_of_the_forward(dtype):
    net, x = mlp(), np.array([1, 0, 3, 2]).astype(dtype)
    if x.dtype.kind == "f":
        x[1] = np.nan
    net.forward(x)
    assert net.backward(x.copy(), np.ones(2)).shape == (4,)


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


def test_clear_state_forgets_the_run():
    net = mlp()
    net.forward(np.ones(4))
    net.clear_state()
    assert net.tape is None and all(m.output is None for m in net.list_modules())


def test_a_module_that_fails_at_its_parameters_is_named_with_the_gradient_that_came():
    class Failing(nn.Tanh):
        def acc_grad_parameters(self, input, grad_output, scale=1.0):
            raise RuntimeError("no room")

    x = nn.Identity()()
    network = GModule(x, Failing()(x).annotate(name="y"))
    network.forward(np.ones((2, 3)))
    with pytest.raises(ModuleError, match=r"Failing `y` at .* got gradient \(2, 3\): RuntimeError: no room"):
        network.backward(np.ones((2, 3)), np.ones((2, 3)))
