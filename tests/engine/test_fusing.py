"""Plan: which pointwise modules become one kernel, and which of their results are stored."""

import pytest

from nodegraph import GModule, nn
from nodegraph.engine import plan as engine_plan
from nodegraph.engine.bases import NotPlannable
from nodegraph.engine.plan import Kernel, Normalisation, Product
from nodegraph.engine.values import ModuleCall

from small_plans import planned


def chain(node, n):
    for _ in range(n):
        node = nn.Tanh()(node)
    return node


def of_one(wire):
    """A graph of one input from a function of its node."""
    x = nn.Identity()()
    return GModule(x, wire(x))


def stored(plan):
    """How many pointwise results are stored."""
    return sum(base.kind == "pointwise" and base.kept for base in plan.bases)


def kernels(plan):
    """For each kernel the number of its results, its rows and its columns."""
    return [(len(step.roots), step.rows, step.columns) for step in plan.steps if isinstance(step, Kernel)]


def test_a_chain_is_one_result_of_one_kernel():
    plan = planned(of_one(lambda x: chain(x, 50)), (3, 4))
    assert stored(plan) == 1 and kernels(plan) == [(1, 3, 4)]


def test_of_a_long_chain_a_result_is_stored_now_and_then(monkeypatch):
    monkeypatch.setattr(engine_plan, "MOST_FUSED", 10)
    assert stored(planned(of_one(lambda x: chain(x, 10)), (3, 4))) == 1
    plan = planned(of_one(lambda x: chain(x, 25)), (3, 4))
    assert [base.kept for base in plan.bases[1:]] == [i in (11, 22, 25) for i in range(1, 26)]


def test_a_result_that_is_stored_anyway_starts_a_new_chain(monkeypatch):
    monkeypatch.setattr(engine_plan, "MOST_FUSED", 10)

    def wire(x):
        first = chain(x, 6)
        return [first, chain(first, 6)]

    assert stored(planned(of_one(wire), (3, 4))) == 2


def both(x, before):
    shared = chain(x, before)
    return [nn.Sigmoid()(shared), nn.Square()(shared)]


def test_what_two_results_need_is_computed_twice_if_that_is_little():
    most = engine_plan.MOST_REPEATED
    assert stored(planned(of_one(lambda x: both(x, most)), (3, 4))) == 2
    assert stored(planned(of_one(lambda x: both(x, most + 1)), (3, 4))) == 3


def test_in_a_large_graph_nothing_is_computed_twice(monkeypatch):
    graph = of_one(lambda x: both(x, 1))
    monkeypatch.setattr(engine_plan, "MANY_NODES", len(graph.nodes))
    assert stored(planned(graph, (3, 4))) == 2
    monkeypatch.setattr(engine_plan, "MANY_NODES", len(graph.nodes) - 1)
    assert stored(planned(graph, (3, 4))) == 3


def test_as_wholes_what_is_read_in_parts_is_stored():
    plan = planned(of_one(lambda x: nn.Sigmoid()(nn.Narrow(1, 0, 2)(chain(x, 2)))), (3, 4))
    assert stored(plan) == 1 and kernels(plan) == [(1, 3, 2)]
    plan.as_wholes()
    assert stored(plan) == 2 and kernels(plan) == [(1, 3, 4), (1, 3, 2)]


def test_results_of_one_shape_are_of_one_kernel_up_to_a_number():
    most = engine_plan.MOST_ROOTS
    plan = planned(of_one(lambda x: [nn.MulConstant(float(i))(x) for i in range(most + 5)]), (3, 4))
    assert kernels(plan) == [(most, 3, 4), (5, 3, 4)]


@pytest.mark.parametrize("part", [nn.Narrow(1, 0, 2), nn.Narrow(0, 0, 2), nn.Reshape(2, 2)])
def test_results_of_different_shapes_are_of_different_kernels(part):
    plan = planned(of_one(lambda x: [chain(x, 1), nn.Sigmoid()(part(x))]), (3, 4))
    assert len(kernels(plan)) == (1 if type(part) is nn.Reshape else 2)  # (3, 2, 2) are three rows of four, too.


def test_a_kernel_runs_as_early_as_it_can_and_after_all_that_it_reads():
    x = nn.Identity()()
    product = nn.Linear(4, 4)(chain(x, 1))
    graph = GModule(x, [nn.Sigmoid()(product), nn.Square()(x), nn.CAddTable()([nn.SoftMax()(product), x])])
    plan = planned(graph, (3, 4))
    assert list(map(type, plan.steps)) == [Kernel, Product, Kernel, Normalisation, Kernel]
    assert kernels(plan) == [(2, 3, 4), (1, 3, 4), (1, 3, 4)]  # The square goes with what the product reads.


def test_a_part_of_a_result_is_read_by_a_later_kernel():
    """For where each row is a part of several rows, another thread may not have written it yet."""

    def wire(x, turned):
        whole = chain(x, 1)
        read = nn.JoinTable(1)([nn.Narrow(1, start, 2)(whole) for start in (2, 0)]) if turned else whole
        return [whole, nn.Sigmoid()(read)]

    assert kernels(planned(of_one(lambda x: wire(x, True)), (3, 4))) == [(1, 3, 4), (2, 3, 2), (1, 3, 4)]
    assert kernels(planned(of_one(lambda x: wire(x, False)), (3, 4))) == [(2, 3, 4)]


def test_a_graph_of_nothing_but_calls_is_left_alone():
    with pytest.raises(NotPlannable):
        planned(of_one(lambda x: nn.Max(1)(x)), (3, 4))


def test_a_node_can_be_a_call_but_once():
    graph = of_one(lambda x: nn.Sigmoid()(chain(x, 1)))
    plan = planned(graph, (3, 4))
    plan.without_fusing((1,))
    assert [type(step) for step in plan.steps] == [ModuleCall, Kernel]
    with pytest.raises(NotPlannable):
        plan.without_fusing((1,))


def test_a_vector_without_a_batch_is_one_row():
    assert kernels(planned(of_one(lambda x: chain(x, 2)), (2,))) == [(1, 1, 2)]
    assert kernels(planned(of_one(lambda x: nn.Tanh()(nn.Linear(2, 3)(x))), (2,))) == [(1, 1, 3)]


def test_a_number_for_each_row_of_the_batch_is_a_column():
    assert kernels(planned(of_one(lambda x: nn.Tanh()(nn.Max(1)(x))), (3, 4))) == [(1, 3, 1)]
    assert kernels(planned(of_one(lambda x: nn.Tanh()(nn.Max(0)(x))), (3, 4))) == [(1, 1, 4)]


@pytest.mark.parametrize("module", [nn.Linear(4, 4), nn.SoftMax(), nn.Contiguous()])
def test_what_reads_a_product_a_soft_max_or_a_call_is_of_one_kernel(module):
    def wire(x):
        read = module(x)
        return [nn.Tanh()(read), nn.Exp()(read)]

    assert kernels(planned(of_one(wire), (3, 4))) == [(2, 3, 4)]


def test_what_is_joined_is_read_after_the_last_of_its_parts():
    def wire(x):
        first = nn.Tanh()(nn.Narrow(1, 0, 4)(x))
        product = nn.Linear(4, 4)(first)
        other = nn.Square()(x)
        joined = nn.JoinTable(1)([first, nn.Exp()(product)])
        return [first, product, other, nn.Sigmoid()(joined)]

    plan = planned(of_one(wire), (3, 8))
    assert list(map(type, plan.steps)) == [Kernel, Product, Kernel, Kernel, Kernel]
    assert kernels(plan) == [(2, 3, 4), (1, 3, 8), (1, 3, 4), (1, 3, 8)]
