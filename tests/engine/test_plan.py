"""Plan: whatever is wired in a loop gives the same numbers as node by node, and what is known is compiled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodegraph import GModule, Recurrent, nn
from nodegraph.nn.view import ViewModule

from agreement import assert_agrees, assert_close, called, loops, run
from small_graphs import add, tanh

rng = np.random.default_rng(0)
STEPS, BATCH, SIZE = 4, 3, 4


def normal(*shape):
    return rng.standard_normal(shape)


def linear(node, inputs=SIZE, outputs=SIZE, bias=True):
    return nn.Linear(inputs, outputs, bias)(node)


def loop(wire):
    """A cell of an input and a state, (batch, 4) both, from a function of their nodes."""
    x, h = nn.Identity()(), nn.Identity()()
    return GModule([x, h], wire(x, h))


def inputs(steps=STEPS, batch=BATCH):
    return [normal(steps, batch, SIZE), normal(batch, SIZE)]


class Reversed(ViewModule):
    def view(self, input):
        return input[..., ::-1]


class UpsideDown(ViewModule):
    def view(self, input):
        return input[::-1]


class EverySecond(ViewModule):
    def view(self, input):
        return input[..., ::2]


def halves(x, h):
    left, right = nn.SplitTable(1)(nn.Reshape(2, 2)(linear(h))).split(2)
    return [tanh(add(x, linear(h))), nn.CMulTable()([left, nn.Sigmoid()(right)])]


def overlapping(x, h):
    new = tanh(add(x, linear(h)))
    left, right = nn.Narrow(1, 0, 3)(new), nn.Narrow(1, 1, 3)(new)
    return [add(x, linear(nn.CMulTable()([left, tanh(right)]), 3)), left, right]


def attention(x, h):
    memory, weights = nn.Reshape(2, 2)(h), nn.SoftMax()(linear(h, SIZE, 2))
    read = nn.Reshape(2)(nn.MM()([nn.Replicate(1, 1)(weights), memory]))
    return tanh(add(x, linear(read, 2)))


def concatenated(x, h):
    pre = linear(nn.JoinTable(-1)([x, h]), 8, 12)
    new, gate, out = nn.SplitTable(1)(nn.Reshape(3, 4)(pre)).split(3)
    return [nn.CMulTable()([tanh(new), nn.Sigmoid()(gate)]), nn.JoinTable(0, 1)([out, tanh(h), x])]


def stacked(x, h):
    new = tanh(linear(h))
    rows, columns = nn.StackTable(1)([new, x, new, h]), nn.StackTable(0)([h, tanh(new)])
    below, beside = nn.JoinTable(0)([x, new]), nn.JoinTable(1)([rows, rows])
    read = linear(nn.Reshape(16)(tanh(rows)), 16)
    last = nn.Select(0, -1)(columns)
    return [tanh(add(read, last, nn.Narrow(0, 3, 3)(below), nn.Select(1, 5)(beside))), rows, columns, beside]


def part_of_tables(x, h):
    pair = nn.NarrowTable(-2, 2)([x, tanh(linear(h)), h])
    only = nn.JustElement()(nn.NarrowTable(0)(pair))
    return tanh(add(only, nn.SelectTable(-1)(pair), nn.JustElement()(nn.JustTable()(x))))


def shared(x, h):
    first, second, weights = nn.Linear(4, 4), nn.Linear(4, 4), nn.CMul(4)
    second.share(first, "weight", "grad_weight")
    return tanh(add(first(x), second(weights(h)), first(tanh(weights(h)))))


def nested(x, h):
    a, b = nn.Identity()(), nn.Sigmoid()()
    pair = GModule([a, b], [tanh(add(linear(a), b)), nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())(b)])
    p, q = pair([x, h]).split(2)
    r, s = pair([q, p]).split(2)
    return tanh(add(p, q, r, s))


def dropped(x, h):
    two = nn.Dropout(0.3)
    return tanh(add(two(x), two(linear(h)), nn.Dropout(0.5, True)(h), nn.Dropout(0)(h)))


# For each: what is wired, and which modules of the loop are called since the engine does not compute them.
WIRINGS = {
    "state from a Linear": (lambda x, h: linear(add(tanh(x), h)), []),
    "state from a view": (lambda x, h: nn.Narrow(1, 2, 4)(tanh(linear(add(x, h), 4, 8))), []),
    "state with its rows turned round": (lambda x, h: UpsideDown()(tanh(add(x, linear(h)))), []),
    "outputs that are inputs, states, views": (lambda x, h: [tanh(add(x, linear(h))), x, h, Reversed()(h)], []),
    "Linear of a Linear": (lambda x, h: tanh(add(x, linear(linear(h, 4, 5, False), 5))), []),
    "Linear of some columns": (lambda x, h: tanh(add(x, linear(nn.Narrow(1, 1, 2)(h), 2))), []),
    "Linear of some rows": (lambda x, h: [tanh(add(x, h)), linear(nn.Narrow(0, 1, 2)(h))], []),
    "Linear of one row": (lambda x, h: [tanh(add(x, linear(h))), linear(nn.Select(0, 1)(h))], []),
    "shared modules and weights": (shared, []),
    "table of views": (halves, []),
    "overlapping views": (overlapping, []),
    "negative strides": (lambda x, h: tanh(add(x, linear(Reversed()(tanh(h))))), ["Linear"]),
    "odd strides": (lambda x, h: tanh(add(x, linear(EverySecond()(h), 2))), ["Linear"]),
    "nested graphs and containers": (nested, []),
    "parts joined": (
        lambda x, h: tanh(add(x, nn.JoinTable(1)([nn.Narrow(1, 2, 2)(h), nn.Narrow(1, 0, 2)(x)]))),
        [],
    ),
    "a row of input and state": (concatenated, []),
    "stacked and joined in all ways": (stacked, []),
    "one part joined": (lambda x, h: tanh(add(x, nn.JoinTable(1)(nn.NarrowTable(0)([tanh(linear(h)), x])))), []),
    "parts of tables": (part_of_tables, []),
    "attention over a memory": (attention, ["Replicate", "MM"]),
    "peepholes": (lambda x, h: tanh(add(nn.CAdd(1, 4)(x), nn.CMul(4)(h), nn.CMul(3, 4)(tanh(h)))), []),
    "weights repeated along a row": (lambda x, h: tanh(add(x, nn.CMul(3, 1)(h))), ["CMul"]),
    "dropout": (dropped, []),
    "dropout beside a module that might draw": (
        lambda x, h: tanh(add(x, nn.Dropout(0.3)(h), nn.RReLU()(linear(h)))),
        ["Dropout", "RReLU"],
    ),
    "not rowwise": (lambda x, h: tanh(add(nn.BatchNormalization(4)(linear(h)), x)), ["BatchNormalization"]),
    "general modules": (
        lambda x, h: tanh(add(nn.LogSoftMax()(h), nn.PartialLinear(4, 5).set_partition([3, 0, 3, 1])(h), x)),
        ["PartialLinear"],
    ),
}


@pytest.mark.parametrize("name", WIRINGS)
def test_wirings_agree_and_are_compiled(name, numpy_kernels):
    wire, calls = WIRINGS[name]
    cell = loop(wire)
    net = assert_agrees(cell, inputs(), [0.7, None, 1.1, 0.4, 0.9][: len(cell.outputs) + 1], tolerance=1e-11)
    assert len(loops(net)) == 1 and sorted(called(net)) == sorted(calls)


@pytest.mark.parametrize("fed", [(0, 0), (0, 1), (1, 0), (0, 2), (2, 2)])
def test_states_may_be_fed_by_any_output_also_by_the_same(fed, numpy_kernels):
    x, h, c = (nn.Identity()() for _ in range(3))
    cell = GModule([x, h, c], [tanh(add(x, linear(h), c)), h, x])
    input = [normal(STEPS, BATCH, SIZE), normal(BATCH, SIZE), normal(BATCH, SIZE)]
    assert_agrees(cell, input, [0.5] * 5, feedback=[(fed[0], 1), (fed[1], 2)], sequences=[0, 1, 2])


@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (2, 3, 2)])
def test_states_with_several_axes(shape, numpy_kernels):
    cell = loop(lambda x, h: [tanh(add(x, nn.CMul(*shape)(h))), nn.Select(-1, 0)(h)])
    net = assert_agrees(cell, [normal(STEPS, BATCH, *shape), normal(BATCH, *shape)], [1.0, 2.0, 3.0])
    assert loops(net) and not called(net)


@pytest.mark.parametrize("batch", [(), (1,)])
def test_values_without_a_batch(batch, numpy_kernels):
    cell = loop(lambda x, h: tanh(add(linear(x), linear(h))))
    assert_agrees(cell, [normal(STEPS, *batch, SIZE), normal(*batch, SIZE)], [1.0, 2.0])


@pytest.mark.parametrize("options", [{"masked": True}, {"batch_first": True}, {"masked": True, "batch_first": True}])
def test_masks_and_the_order_of_axes(options, numpy_kernels):
    cell = loop(lambda x, h: [tanh(add(x, linear(h))), h])
    x, h = inputs()
    x = x.swapaxes(0, 1) if "batch_first" in options else x
    net = assert_agrees(cell, [x, h, *([np.array([4, 1, 0])] if "masked" in options else [])], [1.0] * 3, **options)
    assert loops(net) and not called(net)


def one_hot(x, h):
    return tanh(add(linear(nn.OneHot(5)(x), 5), linear(h)))


def part_of_one_hot(x, h):
    rows = nn.OneHot(5)(x)
    return tanh(add(linear(nn.Narrow(1, 1, 3)(rows), 3), linear(rows, 5), linear(h)))


def containers_of_indices(x, h):
    looked_up = nn.ConcatTable(nn.LookupTable(5, 4), nn.Sequential(nn.OneHot(5), nn.Linear(5, 4)))(x)
    after = nn.Sequential(nn.Linear(5, 4), nn.LogSoftMax())(nn.OneHot(5)(x))
    return tanh(add(*looked_up.split(2), after, linear(h)))


@pytest.mark.parametrize("wire", [one_hot, part_of_one_hot, containers_of_indices])
def test_indices(wire, numpy_kernels):
    indices = rng.integers(0, 5, (STEPS, BATCH))
    assert_agrees(loop(wire), [indices, normal(BATCH, SIZE)], [1.0, 0.5])
    single = np.float32(normal(BATCH, SIZE))
    assert_agrees(loop(wire).float(), [indices, single], [1.0, 0.5], tolerance=1e-5)
    graph, sizes = loop(wire), [1.0]
    expected = run(graph, [indices[0], normal(BATCH, SIZE) * 0], sizes)
    assert_close(run(graph.compile(), [indices[0], normal(BATCH, SIZE) * 0], sizes)[:1], expected[:1])


def test_states_and_masks_that_are_whole_numbers_stay_what_they_are(numpy_kernels):
    x, mask, h, count = (nn.Identity()() for _ in range(4))
    new = nn.Where()([mask, tanh(add(x, linear(h), nn.LookupTable(5, 4)(count))), h])
    cell = GModule([x, mask, h, count], [new, count])
    input = [normal(STEPS, BATCH, SIZE), rng.random((STEPS, BATCH, SIZE)) < 0.5, normal(BATCH, SIZE), np.arange(3)]
    assert_agrees(cell, input, [1.0, None, 1.0, None], feedback=[(0, 2), (1, 3)])


def test_a_state_that_begins_as_whole_numbers_has_a_gradient(numpy_kernels):
    cell = loop(lambda x, h: tanh(add(x, linear(h))))
    assert loops(assert_agrees(cell, [normal(STEPS, BATCH, SIZE), rng.integers(0, 3, (BATCH, SIZE))], [1.0, 0.5]))


POINTWISE = """Abs ELU Exp HardShrink HardTanh LeakyReLU LogSigmoid ReLU ReLU6 Sigmoid SoftPlus SoftShrink SoftSign
Square Tanh TanhShrink""".split()
OF_TWO = ["CAddTable", "CMulTable", "CSubTable", "CMaxTable", "CMinTable"]


def random_node(draw, one, two, rows, n):
    """Some node of one or two values (rows, n), of the same shape."""
    start = draw(st.integers(0, n - 1))
    width = draw(st.integers(1, n - start))
    return draw(
        st.sampled_from(
            [
                lambda: getattr(nn, draw(st.sampled_from(POINTWISE)))()(tanh(one)),
                lambda: getattr(nn, draw(st.sampled_from(OF_TWO)))()([one, two]),
                lambda: linear(one, n, n, draw(st.booleans())),
                lambda: linear(nn.Narrow(1, start, width)(one), width, n),
                lambda: nn.Narrow(1, start, n)(nn.JoinTable(1)([one, two])),
                lambda: nn.CMul(*draw(st.sampled_from([(n,), (1, n), (rows, n), (rows, 1), (1, 1)])))(one),
                lambda: nn.CAdd(n)(tanh(one)),
                lambda: nn.Dropout(draw(st.sampled_from([0, 0.3])))(one),
                lambda: getattr(nn, draw(st.sampled_from(["LogSoftMax", "SoftMax"])))()(one),
                lambda: Reversed()(tanh(one)),
                lambda: UpsideDown()(one),
                lambda: nn.CMulTable()([two, nn.Replicate(n, 1)(nn.Select(1, start)(one))]),
                lambda: nn.Transpose((0, 1))(linear(nn.Transpose((0, 1))(one), rows, rows)),
                lambda: nn.SelectTable(-1)(nn.NarrowTable(1, 2)([two, tanh(one), two])),
                lambda: nn.Sequential(nn.CAddTable(), nn.Linear(n, n), nn.Sigmoid())([one, two]),
            ]
        )
    )()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_cells(data):
    """Modules of all kinds over an input and two states of any size, any of whose nodes feed back or are returned."""
    draw = data.draw
    steps, rows, n = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 3, 7])), draw(st.sampled_from([1, 2, 3, 9]))
    values = given = [nn.Identity()() for _ in range(3)]
    for _ in range(draw(st.integers(1, 8))):
        one, two = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        values = [*values, random_node(draw, one, two, rows, n)]
    fed = [draw(st.sampled_from(values)) for _ in range(2)]
    returned = [*fed, *[node for node in values if not node.children and node not in fed]]
    cell = GModule(given, returned)
    sizes = [draw(st.sampled_from([None, 0.5, 1.0])) for _ in range(len(returned) + 2)]
    input = [normal(steps, rows, n), normal(rows, n), normal(rows, n)]
    assert_agrees(cell, input, sizes, tolerance=1e-10)
    at_once = [normal(rows, n) for _ in range(3)]
    expected = run(cell, at_once, sizes, 0.5, 2)
    assert_close(run(cell.compile(), at_once, sizes, 0.5, 2), expected, tolerance=1e-10)


def test_a_sequence_may_lie_in_memory_in_any_way(numpy_kernels):
    cell, (x, h) = loop(lambda x, h: [tanh(add(x, linear(h))), x]), inputs()
    expected = Recurrent(cell, compiled=False).forward([x, h])
    unwritable = x.copy()
    unwritable.flags.writeable = False
    spread = np.repeat(x, 2, axis=2)[::-1].copy()[::-1, :, ::2]
    for same in (np.asfortranarray(x), unwritable, spread):
        for got, wanted in zip(Recurrent(cell).forward([same, np.asfortranarray(h)]), expected):
            np.testing.assert_allclose(got, wanted, atol=1e-12)
