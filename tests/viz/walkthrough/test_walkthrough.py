"""What a walkthrough holds, what it takes, and that it leaves the model alone."""

import html.parser
import pickle
import re

import numpy as np
import pytest
from page_numbers import numbers

from nodegraph import GModule, Recurrent, annotate_nodes, nn, seed, unroll
from nodegraph import random as nodegraph_random
from nodegraph.errors import ArgumentError, NodegraphError, ShapeError
from nodegraph.models import gru, lstm, rnn, variants
from nodegraph.viz import walkthrough
from nodegraph.viz.walkthrough.explanations import Names
from nodegraph.viz.walkthrough.loss import loss_of
from nodegraph.viz.walkthrough.parameter_gradients import parameter_gradients, total_gradients
from nodegraph.viz.walkthrough.prose import blocks
from nodegraph.viz.walkthrough.recording import record
from nodegraph.viz.walkthrough.sentences import sentences
from nodegraph.viz.walkthrough.walking import as_graph

from module_examples import EXAMPLES

RNG = np.random.default_rng(0)
CELL_INPUT = [RNG.normal(size=(2, 3)), RNG.normal(size=(2, 2)), RNG.normal(size=(2, 2))]


def of(page, title):
    """The index of the box of this title."""
    return [box["title"] for box in page.data["boxes"]].index(title)


# The gradients on the edges

MODELS = {
    "lstm": (lstm.create(3, 2), CELL_INPUT),
    "stack": (lstm.stack(3, 2, 2), [*CELL_INPUT, *CELL_INPUT[1:]]),
    "over time": (Recurrent(lstm.create(3, 2)), [RNG.normal(size=(4, 2, 3)), *CELL_INPUT[1:]]),
    "stack over time": (Recurrent(lstm.stack(3, 2, 2)), [RNG.normal(size=(3, 2, 3)), *CELL_INPUT[1:], *CELL_INPUT[1:]]),
    "characters": (Recurrent(gru.gru(5, 3, 2)), [np.array([[0], [4], [2]]), np.ones((1, 3)), np.ones((1, 3))]),
    "unrolled": (unroll(lstm.create(3, 2), 3), [RNG.normal(size=(3, 2, 3)), *CELL_INPUT[1:]]),
    "same twice": ((lambda x: GModule(x, nn.CMulTable()([x, x])))(nn.Identity()()), np.array([1.0, -2.0])),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_gradients_that_arrive_at_a_box_add_up_to_its_own(name):
    model, input = MODELS[name]
    page = walkthrough(model, input)
    edges, runs = page.data["edges"], page.data["runs"]
    assert sum(map(len, (run["outputs"] for run in runs))) == len(runs) * len(page.data["boxes"])
    checked = 0
    for t, run in enumerate(runs):
        for i, reference in enumerate(run["gradients"]):
            arriving = []
            for k, edge in enumerate(edges):
                if edge["tail"] == i and not edge["part"]:
                    later = runs[t + 1]["backward"][k] if t + 1 < len(runs) else edge.get("final")
                    arriving.append(later if edge.get("feedback") else run["backward"][k])
            arriving = [numbers(page.data, one) for one in arriving if isinstance(one, int)]
            if isinstance(reference, int) and arriving:
                rounding = 1e-3 * max(np.abs(one).max() for one in arriving)
                assert np.allclose(sum(arriving), numbers(page.data, reference), rtol=0, atol=rounding)
                checked += 1
    assert checked >= len(runs)


def test_outputs_that_are_parts_of_a_table():
    x = nn.Identity()().annotate(name="x")
    first, second = nn.SplitTable(0)(x).split(2)
    page = walkthrough(GModule(x, [second, first]), np.array([[1.0, 2.0], [3.0, 4.0]]), [None, np.array([5.0, 6.0])])
    values, gradients = page.data["runs"][0]["values"][-2:], page.data["runs"][0]["backward"][-2:]
    assert [numbers(page.data, value).tolist() for value in values] == [[3, 4], [1, 2]]
    assert gradients[0] is None and numbers(page.data, gradients[1]).tolist() == [5, 6]


@pytest.mark.parametrize("compiled_cell", ["lstm", "rnn"])
def test_the_parameters_gradients_of_the_steps_add_up_to_those_of_a_backward(compiled_cell):
    network = Recurrent({"lstm": lstm.lstm, "rnn": rnn.rnn}[compiled_cell](5, 3, 2))
    input = [np.array([[0, 1], [4, 3], [2, 2]])] + [np.ones((2, 3))] * (4 if compiled_cell == "lstm" else 2)
    output = network.forward(input)
    grads = [np.ones_like(output[0]), *[None] * (len(output) - 1)]
    network.zero_grad_parameters()
    network.backward(input, grads)
    walked = as_graph(network)
    walked.forward(input)
    walked.backward(input, grads)
    kept = {path: gradient.copy() for path, gradient in walked.named_parameters("gradient").items()}
    for box, one in record(walked, None).records.items():
        if one.module is None or not one.module.own_parameter_names():
            continue
        module = network.cell.node(box.name).module
        totals = total_gradients(one)
        for name, total in totals.items():
            steps = [parameter_gradients(one, t)[name] for t in range(3)]
            assert np.allclose(sum(steps), total) and np.allclose(total, getattr(module, "grad_" + name))
    assert all(np.array_equal(kept[path], g) for path, g in walked.named_parameters("gradient").items())


@pytest.mark.parametrize("name", variants.CELLS)
def test_every_cell_can_be_walked_over_time(name):
    cell = variants.CELLS[name](3, 2)
    page = walkthrough(Recurrent(cell), [RNG.normal(size=(3, 1, 3)), *[np.ones((1, 2))] * (len(cell.inputs) - 1)])
    assert len(page.data["runs"]) == 3 and page.data["overTime"]["norms"]


def test_the_carousel_is_seen():
    """With the forget gate open the last step's error reaches the first one, with it half open it vanishes."""
    reached = {}
    for bias in (0, 10):
        seed(0)
        cell = lstm.create(3, 2)
        cell.node("i2h").module.bias[2:4] = bias
        page = walkthrough(Recurrent(cell), [np.zeros((20, 1, 3)), np.zeros((1, 2)), np.zeros((1, 2))])
        (norm,) = [norm for norm in page.data["overTime"]["norms"] if norm["name"] == "next_c"]
        reached[bias] = norm["last"][0] / norm["last"][-1]
    assert reached[0] < 1e-3 and reached[10] > 0.5


# Leaving the model alone


def test_nothing_of_the_model_changes():
    model = GModule((x := nn.Identity()()), nn.Dropout(0.5)(nn.BatchNormalization(3)(nn.Linear(3, 3)(x))))
    input = RNG.normal(size=(4, 3))
    model.forward(input)
    before, tape, random = pickle.dumps(model), model.tape, nodegraph_random.get_state()
    walkthrough(model, input)
    assert pickle.dumps(model) == before and model.tape is tape and nodegraph_random.get_state() == random


def test_it_walks_what_the_next_forward_does():
    model = GModule((x := nn.Identity()()), nn.Dropout(0.5)(x).annotate(name="y"))
    page = walkthrough(model, np.ones((1, 8)))
    output = numbers(page.data, page.data["runs"][0]["outputs"][of(page, "y")])
    assert np.array_equal(output, model.forward(np.ones((1, 8))))


# The loss


def test_the_loss_is_the_sum_of_the_outputs_unless_it_is_given():
    model, output = lstm.create(3, 2), [np.ones((2, 2)), np.full((2, 2), 3.0)]
    loss = loss_of(model, output, None, None, None)
    assert loss.value == 16 and [g.tolist() for g in loss.grad_output] == [[[1, 1], [1, 1]]] * 2
    assert loss_of(model, output, [None, None], None, None).value is None
    target = np.zeros((2, 2))
    loss = loss_of(model, output, None, nn.MSECriterion(), target)
    assert loss.value == 9 and loss.grad_output[0] is None and loss.grad_output[1].tolist() == [[1.5, 1.5], [1.5, 1.5]]


def test_over_time_the_criterion_takes_all_rows():
    network, criterion = Recurrent(rnn.rnn(4, 3, 1)), nn.ClassNLLCriterion()
    input, target = [np.array([[0, 1], [2, 3]]), np.zeros((2, 3))], np.array([[1, 2], [3, 0]])
    page = walkthrough(network, input, criterion=criterion, target=target)
    rows = network.forward(input)[0].reshape(4, 4)
    assert page.data["loss"]["value"] == float(f"{criterion.forward(rows, target.ravel()):.4g}")


def test_the_loss_is_told_as_a_formula_where_it_is_one():
    model, output = lstm.create(3, 2), [np.ones((2, 2)), np.ones((2, 2))]
    told = {
        nn.MSECriterion(): "L = mean of (output − target)²",
        nn.AbsCriterion(size_average=False): "L = Σ |output − target|",
        nn.SmoothL1Criterion(): "L = SmoothL1Criterion(output, target)",
    }
    for criterion, equation in told.items():
        assert loss_of(model, output, None, criterion, np.zeros((2, 2))).equation == equation
    weighted = nn.ClassNLLCriterion(weights=np.ones(2))
    assert loss_of(model, output, None, weighted, np.zeros(2, int)).equation == "L = ClassNLLCriterion(output, target)"


# Parts of a split


def test_parts_with_a_name_are_boxes_and_others_are_written_at_the_edges():
    x = nn.Identity()()
    first, second = nn.SplitTable(0)(x).split(2)
    first.annotate(name="first")
    page = walkthrough(GModule(x, nn.CAddTable()([first, second])), np.array([[1.0, 2.0], [3.0, 4.0]]))
    box = page.data["boxes"][of(page, "first")]
    assert box["module"] == "part 0 of split(2)" and box["equation"] == "first = x[0]"
    assert box["derivatives"] == ["∂x[0] = ∂first"] and box["about"].startswith("Takes one value of the table")
    assert sorted(edge["part"] for edge in page.data["edges"]) == ["", "", "", "", "[1]"]
    assert numbers(page.data, page.data["runs"][0]["outputs"][of(page, "first")]).tolist() == [1, 2]


def test_gates_that_are_parts_of_a_split_are_shown_over_time():
    x, prev_h = nn.Identity()(), nn.Identity()()
    both = nn.Sigmoid()(nn.Reshape(2, 2)(nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(2, 4)(prev_h)])))
    keep_gate, new = nn.SplitTable(1)(both).split(2)
    h = nn.CAddTable()([nn.CMulTable()([keep_gate, prev_h]), new])
    annotate_nodes()
    page = walkthrough(Recurrent(GModule([x, prev_h], h)), [RNG.normal(size=(4, 1, 3)), np.ones((1, 2))])
    assert {"keep_gate", "new", "h"} == {one["name"] for one in page.data["overTime"]["maps"]}


# Notes, labels, arguments


def test_notes_find_their_steps():
    cell = lstm.create(3, 2)
    notes = {cell.node("next_c"): "node", ("forward", "next_c"): "f", ("backward", "next_h"): "b", "loss": "l"}
    page = walkthrough(cell, CELL_INPUT, notes=notes)
    of_c, of_h = (page.data["boxes"][of(page, name)]["notes"] for name in ("next_c", "next_h"))
    assert [note["text"] for note in of_c["forward"]] == [[["p", "node"]], [["p", "f"]]]
    assert [note["text"] for note in of_c["backward"]] == [[["p", "node"]]] and list(of_h) == ["backward"]
    assert page.data["loss"]["notes"] == [{"text": [["p", "l"]]}]


def test_notes_for_one_step_in_time():
    network, input = MODELS["over time"]
    page = walkthrough(network, input, notes={("forward", "next_c", 2): "here"}, labels=list("abcd"))
    assert page.data["boxes"][of(page, "next_c")]["notes"] == {"forward": [{"text": [["p", "here"]], "t": 2}]}


WRONG = [
    ({"notes": {"nowhere": "x"}}, "leads nowhere.*next_c"),
    ({"notes": {("sideways", "next_c"): "x"}}, "leads nowhere"),
    ({"notes": {("forward", "next_c", 0): "x"}}, "leads nowhere"),
    ({"notes": {"next_c": 3}}, "must be a string"),
    ({"notes": "x"}, "must be a dictionary"),
    ({"title": 3}, "title must be a string"),
    ({"depth": -1}, "depth must be"),
    ({"labels": ["a"]}, "for a Recurrent only"),
    ({"target": np.ones(2)}, "a target needs a criterion"),
    ({"criterion": "MSE"}, "the criterion must be one"),
    ({"criterion": nn.MSECriterion(), "grad_output": [None, None]}, "not both"),
]


@pytest.mark.parametrize("arguments, message", WRONG)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        walkthrough(lstm.create(3, 2), CELL_INPUT, **arguments)


def test_over_time_arguments_that_make_no_sense():
    network, input = MODELS["over time"]
    with pytest.raises(ArgumentError, match="4 strings"):
        walkthrough(network, input, labels=["a"])
    with pytest.raises(ArgumentError, match="not in the picture"):
        walkthrough(network, input, over_time=["nowhere"])
    assert [m["name"] for m in walkthrough(network, input, over_time=["i2h"]).data["overTime"]["maps"]] == ["i2h"]


def test_what_cannot_run_says_why():
    with pytest.raises(ArgumentError, match="takes a module"):
        walkthrough("lstm", CELL_INPUT)
    with pytest.raises(ShapeError):
        walkthrough(lstm.create(3, 2), [np.ones((1, 4)), np.ones((1, 2)), np.ones((1, 2))])
    with pytest.raises(NodegraphError):
        walkthrough(lstm.create(3, 2), CELL_INPUT, [np.ones(7), None])
    x = nn.Identity()()
    with pytest.raises(ArgumentError, match="too long"):
        walkthrough(GModule(x, [nn.Tanh()(x) for _ in range(301)]), np.ones(2))


def test_what_is_nested_is_folded_where_it_is_long_or_depth_says_so():
    assert len(walkthrough(lstm.stack(3, 2, 20), [np.ones((1, 3))] + [np.ones((1, 2))] * 40).data["boxes"]) == 101
    shallow = walkthrough(lstm.stack(3, 2, 2), [np.ones((1, 3))] + [np.ones((1, 2))] * 4, depth=0)
    assert shallow.data["boxes"][of(shallow, "lstm_1")]["about"].startswith("A graph of its own")


# Words


def test_derivatives_in_the_names_of_the_graph():
    assert Names(nn.CMulTable(), ["gate", "value"], "out").gradients == ["∂gate = ∂out · value", "∂value = ∂out · gate"]
    assert Names(nn.Linear(2, 2), ["x_t"], "i2h").gradients == ["∂x_t = Wᵀ ∂i2h", "∂W = ∂i2h x_tᵀ", "∂b = ∂i2h"]
    assert Names(nn.CAddTable(), ["y", "dx"], "x").gradients == ["∂y = ∂x", "∂dx = ∂x"]
    assert Names(nn.Exp(), ["max"], "exp_y").gradients == ["∂max = ∂exp_y · exp_y"]
    assert Names(nn.CAddTable(), [None, "b"], None).equation == "y = x₀ + x₁"


def test_a_module_that_is_no_graph_has_no_line_that_made_it():
    page = walkthrough(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), np.ones((1, 3)))
    assert page.data["title"] == "A walk through a Sequential" and not any("line" in box for box in page.data["boxes"])


def test_every_module_of_a_cell_is_told_in_a_sentence():
    for cell in (lstm.lstm(5, 3, 1), gru.gru(5, 3, 1), rnn.rnn(5, 3, 1)):
        assert all(all(sentences(node.module)) for node in cell.nodes)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_module_is_told_in_sentences(name):
    assert all(text.endswith((".", "...")) for text in sentences(EXAMPLES[name]()[0]))


def test_a_sentence_says_what_this_module_does_now():
    """In evaluation, without a bias, with an option: what is told is what the numbers beside it show."""
    assert "bias" in sentences(nn.Linear(3, 2))[0] and "bias" not in "".join(sentences(nn.Linear(3, 2, bias=False)))
    dropout, first_version = nn.Dropout(0.3), nn.Dropout(0.3, v1=True)
    assert all("divided by 0.7" in text for text in sentences(dropout))
    assert not any("0.7" in text for text in sentences(first_version))
    assert sentences(dropout.evaluate())[1] == "The gradient passes through unchanged."
    assert "Multiplies every number by 0.7" in sentences(first_version.evaluate())[0]
    normalisation = nn.SpatialBatchNormalization(3, affine=False)
    assert "over the batch." in sentences(normalisation)[0] and "all others" in sentences(normalisation)[1]
    assert "over the batch" not in sentences(normalisation.evaluate())[0]
    assert sentences(nn.Sum(1, size_average=True)) == sentences(nn.Mean(1)) != sentences(nn.Sum(1))


class Softsign(nn.Pointwise):
    """y = x / (1 + |x|)."""

    def formula(self, x):
        return x / (1 + np.abs(x))

    def derivative(self, x, y):
        return (1 - np.abs(y)) ** 2


def test_a_module_of_ones_own_shows_its_source_and_the_line_that_wired_it():
    x = nn.Identity()()
    softsign = Softsign()(x)
    page = walkthrough(GModule(x, softsign), np.ones(2))
    box = page.data["boxes"][of(page, "Softsign")]
    assert box["line"] == "softsign = Softsign()(x)" and box["place"].startswith("test_walkthrough.py:")
    assert box["source"].startswith("def formula(self, x):\n    return x / (1 + np.abs(x))\n\ndef derivative")
    assert box["about"] == "y = x / (1 + |x|)." and box["derivatives"] == ["∂x = ∂y · (1 − |y|)²"]


def test_prose():
    text = """
        A *first* paragraph
        of two lines with `*code*`.

        - one
          and a half
        - **two**

            as  typed
    """
    assert blocks(text) == [
        ["p", "A ", ["em", "first"], " paragraph of two lines with ", ["code", "*code*"], "."],
        ["ul", ["one and a half"], [["strong", "two"]]],
        ["pre", "as  typed"],
    ]
    code = """
        Some code:

                    def f():

                        return 1
    """
    assert blocks(code) == [["p", "Some code:"], ["pre", "def f():\n\n    return 1"]]
    assert blocks("? Is it *so*?\nOr not?\n! It is\nso.") == [
        ["ask", ["Is it ", ["em", "so"], "? Or not?"], ["It is so."]]
    ]
    assert blocks("? Is it so?") == [["p", "? Is it so?"]]
    assert blocks("[a](#backward/h/3), [b](x.html#loss)") == [
        ["p", ["a", "a", "#backward/h/3"], ", ", ["a", "b", "x.html#loss"]]
    ]
    for elsewhere in ("[c](javascript:alert(1))", "[c](https://x.org/y.html)", "[c](../x.html)", "`[c](x.html)"):
        assert blocks(elsewhere) == [["p", elsewhere]] or elsewhere.startswith("`")
    assert blocks("2 * 3 * 4 < 5 and a_b_c") == [["p", "2 ", ["em", " 3 "], " 4 < 5 and a_b_c"]]


# The file


class References(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action")]


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path):
    page = walkthrough(lstm.create(3, 2), CELL_INPUT)
    path = page.save(tmp_path / "lstm.html")
    text = path.read_text(encoding="utf-8")
    references = References()
    references.feed(text)
    assert references.found == ["data:,"] and not re.search(r"@import|url\((?!#)", text)
    assert page._repr_html_().startswith('<iframe sandbox="allow-scripts"')
    with pytest.raises(ArgumentError, match="saved as .html"):
        page.save(tmp_path / "lstm.png")
