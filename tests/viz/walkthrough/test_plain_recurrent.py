"""A walkthrough of a masked Recurrent, or of one that takes the batch first, shows the numbers of its own run."""

import itertools

import numpy as np
import pytest
from page_numbers import numbers

from nodegraph import Recurrent, nn, random, table
from nodegraph.errors import NodegraphError
from nodegraph.models import lstm
from nodegraph.viz import walkthrough

STEPS, LENGTHS = 5, np.array([5, 2])
OPTIONS = list(itertools.product([False, True], [False, True]))


def example(batch_first, masked, **options):
    """A Recurrent after its run forward and backward, with its input and the gradients of its outputs."""
    rng = np.random.default_rng(0)
    model = Recurrent(lstm.create(3, 2), batch_first=batch_first, masked=masked, **options)
    x = rng.normal(size=(2, STEPS, 3) if batch_first else (STEPS, 2, 3))
    input = [x, rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), *([LENGTHS] if masked else [])]
    output = model.forward(input)
    grad_output = table.map(lambda leaf: rng.normal(size=leaf.shape), output)
    model.zero_grad_parameters()
    model.backward(input, grad_output)
    return model, input, grad_output


def steps_first(model, value):
    return value.swapaxes(0, 1) if model.batch_first else value


def arriving(data, i, t):
    """The gradients on all edges from a box at a step, as the page adds them up."""
    for k, edge in enumerate(data["edges"]):
        if edge["tail"] == i:
            later = data["runs"][t + 1]["backward"][k] if t + 1 < STEPS else edge.get("final")
            reference = later if edge.get("feedback") else data["runs"][t]["backward"][k]
            if reference is not None:
                yield numbers(data, reference)


@pytest.mark.parametrize(("batch_first", "masked"), OPTIONS)
def test_the_numbers_are_those_of_the_run(batch_first, masked):
    model, input, grad_output = example(batch_first, masked)
    data = walkthrough(model, input, grad_output).data
    titles = [box["title"] for box in data["boxes"]]
    end = next(k for k, edge in enumerate(data["edges"]) if data["boxes"][edge["head"]]["kind"] == "output")
    for t in range(STEPS):
        run = data["runs"][t]
        assert numbers(data, run["values"][end]) == pytest.approx(steps_first(model, model.output[0])[t], rel=1e-3)
        gradient = numbers(data, run["gradients"][titles.index("x")])
        assert gradient == pytest.approx(steps_first(model, model.grad_input[0])[t], rel=1e-3)
    first = numbers(data, data["runs"][0]["gradients"][titles.index("prev_c")])
    assert first == pytest.approx(model.grad_input[1], rel=1e-3)
    totals = data["boxes"][titles.index("i2h")]["totals"]
    module = model.cell.node("i2h").module
    for name, gradient in (("W", module.grad_weight), ("b", module.grad_bias)):
        assert numbers(data, totals[name]) == pytest.approx(gradient, rel=1e-3)


@pytest.mark.parametrize(("batch_first", "masked"), OPTIONS)
def test_the_gradients_that_arrive_add_up(batch_first, masked):
    data = walkthrough(*example(batch_first, masked)).data
    for t in range(STEPS):
        for i, box in enumerate(data["boxes"]):
            total = data["runs"][t]["gradients"][i]
            if box["kind"] != "output" and total is not None:
                assert sum(arriving(data, i, t)) == pytest.approx(numbers(data, total), rel=2e-3, abs=2e-3), box[
                    "title"
                ]


def test_where_a_step_does_not_count_the_old_state_is_chosen():
    model, input, grad_output = example(False, True)
    page = walkthrough(model, input, grad_output, over_time=["next_c"])
    boxes, last = page.data["boxes"], page.data["runs"][-1]
    titles = [box["title"] for box in boxes]
    choices = [i for i, title in enumerate(titles) if title == "Where"]
    assert len(choices) == 2 and "Chooses" in boxes[choices[0]]["about"]
    shown = [numbers(page.data, last["outputs"][i]) for i in choices]
    assert shown == [pytest.approx(np.asarray(state), rel=1e-3) for state in model.output[1:]]
    assert numbers(page.data, last["outputs"][titles.index("mask")]).tolist() == [[1, 1], [0, 0]]
    assert {"belt", "state"} <= {shown["role"] for shown in walkthrough(model, input).data["overTime"]["maps"]}


@pytest.mark.parametrize(("batch_first", "masked"), OPTIONS)
def test_a_criterion_takes_the_target_as_the_recurrent_gives_its_sequence(batch_first, masked):
    model, input, _ = example(batch_first, masked)
    target = np.random.default_rng(1).normal(size=model.output[0].shape)
    loss = nn.MSECriterion().forward(model.output[0], target)
    assert walkthrough(model, input, criterion=nn.MSECriterion(), target=target).data["loss"]["value"] == pytest.approx(
        loss, rel=1e-3
    )


def test_the_model_stays_as_it_is():
    model, input, grad_output = example(True, True, stateful=True)
    kept, output, state = model.kept_states, model.output, random.get_state()
    walkthrough(model, [input[0], LENGTHS])
    assert model.kept_states is kept and model.output is output and model.masked and model.batch_first
    assert repr(random.get_state()) == repr(state)


def test_what_the_recurrent_refuses_is_refused_in_its_words():
    model, input, _ = example(False, True)
    with pytest.raises(NodegraphError) as own:
        model.forward(input[:-1])
    with pytest.raises(NodegraphError) as walked:
        walkthrough(model, input[:-1])
    assert type(walked.value) is type(own.value) and "lengths" in str(walked.value)
