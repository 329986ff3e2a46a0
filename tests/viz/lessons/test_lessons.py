"""The lessons say what is so: their numbers are those of runs made here by hand, and what they point at is there."""

import ast
import importlib
import inspect
import re

import numpy as np
import pytest
from page_numbers import numbers

import nodegraph
from nodegraph import nn
from nodegraph.errors import ArgumentError
from nodegraph.viz import lessons
from nodegraph.viz.lessons import (
    lesson_1_neuron,
    lesson_2_chain_rule,
    lesson_3_cell,
    lesson_3_recurrence,
    lesson_4_lstm,
    lesson_4_no_forget_gate,
    lesson_5_real_cells,
    lesson_5_vanishing,
    lesson_6_coupled_gates,
    lesson_6_gru,
    lesson_6_peepholes,
    lesson_7_own_cell,
    lesson_8_characters,
)
from nodegraph.viz.lessons.course import SCRIPTS
from nodegraph.viz.lessons.text import code, listed, shown

SYMBOLS = {"c", "h", "W", "b"}
STEP = re.compile(r"#(loss|(forward|backward)/(.+?)(/(\d+))?)")


def texts(page):
    """All texts of a page as blocks: those that frame it, and the notes."""
    found = [page.data["introduction"], page.data["conclusion"], *(note["text"] for note in notes(page))]
    return [block for text in found for block in text]


def notes(page):
    boxes = [note for box in page.data["boxes"] for told in box.get("notes", {}).values() for note in told]
    return boxes + page.data["loss"]["notes"]


def spans(page):
    for kind, *content in texts(page):
        yield from content if kind in ("p", "pre") else [span for part in content for span in part]


def said(page):
    """The texts of a page as one string."""
    return joined(spans(page))


def joined(spans):
    return " ".join((span if isinstance(span, str) else span[1]).strip() for span in spans)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# What all of them have


def test_eight_lessons_each_with_a_title_and_a_line():
    assert [one.number for one in lessons.LESSONS] == list(range(1, 9))
    assert len({one.title for one in lessons.LESSONS}) == 8
    assert all(one.about.endswith((".", "?")) and len(one.about) < 120 for one in lessons.LESSONS)
    with pytest.raises(ArgumentError, match="the lessons are 1 to 8, got 9"):
        lessons.lesson(9)


@pytest.mark.parametrize("script", [script for scripts in SCRIPTS for script in scripts])
def test_a_lesson_speaks_of_what_is_there(pages, script):
    page, module = pages[script], importlib.import_module(f"nodegraph.viz.lessons.{script}")
    number = int(script.split("_")[1])
    assert page.data["title"].startswith(f"Lesson {number}")
    names = {box["title"] for box in page.data["boxes"]}
    known = names | SYMBOLS | {*dir(nodegraph), *dir(nn), *vars(module), "read", "keep", "rnn"}
    mentioned = {text for kind, text, *_ in (s for s in spans(page) if not isinstance(s, str)) if kind == "code"}
    assert {name for name in mentioned if name.isidentifier()} - known <= set(getattr(module, "KINDS", ""))
    for target in (span[2] for span in spans(page) if span[0] == "a"):
        if step := STEP.fullmatch(target):
            assert step[1] == "loss" or step[3] in names
            assert int(step[5] or 0) < len(page.data["runs"])
        else:
            assert target in {"index.html"} | {
                name for one in lessons.LESSONS for name in map(one.file_name, range(len(one.scripts)))
            }
    assert any(block[0] == "ask" for block in page.data["conclusion"])
    assert sum(bool(box.get("notes")) for box in page.data["boxes"]) >= 2
    assert "nan" not in said(page).lower().split() and not re.search(r"[{}]|np\.float|array\(", said(page))


@pytest.mark.parametrize("scripts", SCRIPTS)
def test_the_first_page_shows_the_wiring_as_it_is_in_the_script(pages, scripts):
    shown_code = [block[1] for block in pages[scripts[0]].data["introduction"] if block[0] == "pre"]
    module = importlib.import_module(f"nodegraph.viz.lessons.{scripts[0]}")
    wired = [text for text in shown_code if text.startswith("def ")]
    with open(module.__file__, encoding="utf-8") as file:
        script = file.read()
    assert wired and all(text in script for text in wired)


def test_numbers_are_written_as_the_pages_print_them():
    assert listed([0, -0.5, 12, 0.00123456, 4.5e-5, 1234567]) == "0, −0.5, 12, 0.001235, 4.5e−5, 1.235e6"
    assert shown(0.99999) == "1" and shown(0.00099999) == "0.001"
    assert code(lesson_2_chain_rule.graph).lstrip().startswith("def graph() -> GModule:\n")


@pytest.mark.parametrize("script", [script for scripts in SCRIPTS for script in scripts])
def test_no_number_in_a_text_is_typed(script):
    """Numbers with a point come from the run; what stands in code that is shown is a number of the script."""
    tree = ast.parse(inspect.getsource(importlib.import_module(f"nodegraph.viz.lessons.{script}")))
    (page,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "page"]
    typed = [node.value for node in ast.walk(page) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert len(typed) > 10 and not [text for text in typed if re.search(r"\d[.,]\d|\de−?\d", text)]


# What each of them says


def test_1_a_neuron_by_hand(pages):
    text = said(pages["lesson_1_neuron"])
    y = sigmoid(1 * 3 - 2 * 2 + 0.5)
    message = 2 * (y - 1) * y * (1 - y)
    for number in (y, (y - 1) ** 2, message, 3 * message, 2 * message, 1 - 0.5 * 3 * message, sigmoid(3.5)):
        assert shown(number) in text


def test_1_the_text_follows_the_run(monkeypatch):
    monkeypatch.setattr(lesson_1_neuron, "X", np.array([[5.0, 1.0]]))
    text = said(lesson_1_neuron.page())
    assert "1 · 5 + (−2) · 1 + 0.5 = 3.5" in text and shown(sigmoid(3.5)) in text and shown(sigmoid(-0.5)) not in text


def test_2_the_chain_rule_by_hand(pages):
    text = said(pages["lesson_2_chain_rule"])
    a, b = 2, 3
    assert "Two messages arrive: 16 along the short path" in text and f"{2 * (a * b + a) * (b + 1)}. That is" in text
    assert "a slope of 64.02, and backward said 64" in text and "Both 0." in text


def test_3_both_pages_show_the_states_of_a_plain_loop(pages):
    h, states = 0.0, []
    for x in (1.0, 0.0, 0.0):
        h = np.tanh(x + 0.8 * h)
        states.append(h)
    slopes = 1 - np.square(states)
    gradients = [slopes[2], slopes[2] * 0.8 * slopes[1], slopes[2] * 0.8 * slopes[1] * 0.8 * slopes[0]]
    for script in ("lesson_3_recurrence", "lesson_3_cell"):
        assert listed(gradients) in said(pages[script]) and all(shown(h) in said(pages[script]) for h in states)
    to_h = [1, gradients[0] * 0.8, gradients[1] * 0.8]
    assert f"last step to the first it is {listed(to_h)}: it falls" in said(pages["lesson_3_cell"])
    assert f"{shown(gradients[0])} · 0.8 = {shown(to_h[1])}" in said(pages["lesson_3_recurrence"])
    share = [gradients[1] * states[0], gradients[0] * states[1]]
    assert f"0 + {shown(share[0])} + {shown(share[1])} = {shown(sum(share))}" in said(pages["lesson_3_recurrence"])


def test_3_both_pages_run_the_same_network():
    read, keep = lesson_3_recurrence.weights()
    layers = lesson_3_recurrence.unrolled(read, keep)
    cell = nodegraph.Recurrent(lesson_3_cell.cell(read, keep))
    xs = np.random.default_rng(0).normal(size=(3, 1, 1))
    assert np.allclose(layers.forward([np.zeros((1, 1)), *xs]), cell.forward([xs, np.zeros((1, 1))])[0][-1])


def tally(events, forgets=True):
    """The counter as it is meant: how much is counted after each event, and what is answered."""
    c, counted, answers = 0.0, [], []
    for event in events:
        c = 0.0 if event == "x" and forgets else c + 0.25 * (event == "+")
        counted.append(c)
        answers.append(np.tanh(c) if event == "?" else 0.0)
    return counted, answers


@pytest.mark.parametrize("forgets", [True, False])
def test_4_the_lstm_counts_what_the_text_says(pages, forgets):
    gates = {} if forgets else {"forget_gate": [lesson_4_lstm.OPEN] * 4}
    run = lesson_4_lstm.run(lesson_4_lstm.tally(**gates))
    counted, answers = tally(lesson_4_lstm.EVENTS, forgets)
    assert np.allclose(run["next_c"], counted, atol=1e-3) and np.allclose(run["next_h"], answers, atol=1e-3)
    script = "lesson_4_lstm" if forgets else "lesson_4_no_forget_gate"
    assert f"{shown(run['next_h'][-1])}" in said(pages[script])
    before, after = run["∂next_c"][: lesson_4_lstm.RESET], run["∂next_c"][lesson_4_lstm.RESET :]
    assert np.allclose(after, 1 - answers[-1] ** 2, rtol=1e-2)
    if forgets:
        assert f"level at {shown(after[0])}, before it is down at {shown(before[-1])}" in said(pages[script])
    assert (before < 1e-4).all() if forgets else np.allclose(before, after[0], rtol=1e-2)


def test_4_tells_why_the_forget_gate_helps(pages):
    (answer,) = [
        b[2] for b in pages["lesson_4_lstm"].data["conclusion"] if b[0] == "ask" and "forget gate help" in b[1][0]
    ]
    kept, mixed = (tally(lesson_4_lstm.EVENTS, forgets)[1][-1] for forgets in (True, False))
    for number in (kept, mixed):
        assert any(abs(float(word) - number) < 1e-3 for word in re.findall(r"0\.\d+", joined(answer)))


def test_4_the_text_follows_the_run(monkeypatch):
    monkeypatch.setattr(lesson_4_lstm, "OFFER", 0.5)
    told = re.findall(r"tanh\(([\d.]+)\) = (0\.\d+)", said(lesson_4_lstm.page()))
    assert np.allclose([np.tanh(float(c)) for c, _ in told], [float(h) for _, h in told], atol=1e-3) and len(told) == 2
    assert shown(np.tanh(0.5 * 4))[:5] in said(lesson_4_no_forget_gate.page())
    assert "offers 0.5" in said(lesson_4_lstm.page())


@pytest.mark.parametrize("keep, bias", [(0.6, 4.0), (0.4, 1.0)])
def test_5_the_decays_are_the_products_of_their_factors(monkeypatch, keep, bias):
    monkeypatch.setattr(lesson_5_vanishing, "KEEP", keep)
    monkeypatch.setattr(lesson_5_vanishing, "BIAS", bias)
    text, steps = said(lesson_5_vanishing.page()), lesson_5_vanishing.STEPS
    h, product = np.tanh(1.0), 1.0
    for _ in range(steps - 1):
        h = np.tanh(keep * h)
        product *= keep * (1 - h**2)
    assert f"Left: {shown(product)}" in text and f"Left: {shown(sigmoid(bias) ** (steps - 1))}" in text
    assert "Left: 1 ." in text and f"never more than {shown(keep)}" in text
    assert f"every factor is 3, and the message becomes {shown(3.0 ** (steps - 1))}" in text


def test_5_real_cells_keep_the_error_where_the_gates_are_open(pages):
    norms = lesson_5_real_cells.random_cells(lesson_5_real_cells.FORGET)[2]
    shut = lesson_5_real_cells.random_cells(0.0)[2]
    share = {name: norm[0] / norm[-2] for name, norm in norms.items()}
    assert share["rnn_h"] < 1e-10 and share["lstm_c"] > 0.1 and shut["lstm_c"][0] / shut["lstm_c"][-2] < 1e-4
    for number in (share["rnn_h"], share["lstm_c"], shut["lstm_c"][0] / shut["lstm_c"][-2]):
        assert shown(number) in said(pages["lesson_5_real_cells"])


def test_6_the_clock_rings_every_fourth_step(pages):
    assert "rings at t = 3, 7, 11: every 4 steps" in said(pages["lesson_6_peepholes"])
    assert f"{lesson_6_peepholes.BIAS} / {lesson_6_peepholes.WEIGHT} = 0.875" in said(pages["lesson_6_peepholes"])


def test_6_the_coupled_cell_holds_what_it_took(pages):
    held, value = [], 0.0
    for new, take in zip(lesson_6_coupled_gates.VALUES, lesson_6_coupled_gates.TAKE):
        value = new if take else value
        held.append(value)
    assert f"Over time: {listed(held)}" in said(pages["lesson_6_coupled_gates"])


def test_6_the_gru_counts(pages):
    h, states = 0.0, []
    for event in lesson_6_gru.EVENTS:
        h = {"+": np.tanh(h + 0.25), ".": h, "x": 0.0}[event]
        states.append(h)
    told = re.search(r"The states: (.*?)\. Each", said(pages["lesson_6_gru"]))[1].split(", ")
    assert np.allclose([float(number) for number in told], states, atol=2e-3)


def test_7_the_cell_waits_for_its_key_and_learns_another(pages):
    text = said(pages["lesson_7_own_cell"])
    assert "Slip(): the gradient of input 0" in text and "central differences give" in text
    student = lesson_7_own_cell.waiting_for(lesson_7_own_cell.START)
    losses = lesson_7_own_cell.learn(student)
    assert losses[-1] < 0.02 * losses[0] and abs(lesson_7_own_cell.key_of(student) - 3) < 0.1
    assert shown(lesson_7_own_cell.key_of(student)) in text
    lost = lesson_7_own_cell.waiting_for(lesson_7_own_cell.FAR)
    lesson_7_own_cell.learn(lost)
    assert lesson_7_own_cell.key_of(lost) == lesson_7_own_cell.FAR and "its key is still 12." in text


def test_8_the_model_has_learnt_to_remember(pages):
    page = pages["lesson_8_characters"]
    text, (best, forgetful) = said(page), lesson_8_characters.least_losses()
    assert [shown(best), shown(forgetful)] == ["0.4904", "0.6059"]
    dot = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert f"{shown(np.log(2))} + 4 · {shown(dot)}: {shown((np.log(2) + 4 * dot) / 6)} for each" in text
    before, after, shut = (
        float(re.search(pattern, text)[1]) for pattern in (r"fell from (\S+)", r"to (\S+), meas", r"loss is (\S+):")
    )
    assert best - 0.01 < after < best + 0.02 < forgetful < shut and before > 1
    round_, square = re.findall(r"chances of \] and \) are ([\d.e−]*\d), ([\d.e−]*\d)", text)[::-1]
    sizes = [[float(number.replace("−", "-")) for number in pair] for pair in (square, round_)]
    assert sizes[0][0] > 20 * sizes[0][1] and sizes[1][1] > 20 * sizes[1][0]


def test_8_its_forget_gate_shuts_at_a_new_bracket_and_is_open_in_between(pages):
    maps = {one["name"]: one["map"] for one in pages["lesson_8_characters"].data["overTime"]["maps"]}
    gates = numbers(pages["lesson_8_characters"].data, maps["forget_gate"])
    row = ("first", "second", "third").index(re.search(r"the (\w+) row", said(pages["lesson_8_characters"]))[1])
    text = lesson_8_characters.READ[:-1]
    again = [t for t in range(2, len(text)) if text[t - 1 : t + 1] == ".."]
    assert (gates[row, again] > 0.9).all() and (
        gates[row, [t for t in range(len(text)) if text[t] in "(["]] < 0.2
    ).all()
