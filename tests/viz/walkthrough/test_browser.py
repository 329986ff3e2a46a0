"""The page in a browser: what it shows is the run, and it can be walked by keys, buttons, clicks and fingers."""

import numpy as np
import pytest

from nodegraph import GModule, Recurrent, nn, seed, unroll
from nodegraph.models import lstm
from nodegraph.viz import walkthrough

HOSTILE = ["<b>x</b>", "</script><script>document.title=1</script>", "<img src=x onerror=alert(1)>&amp;{{data}}"]


@pytest.fixture
def cell():
    seed(0)
    return lstm.create(3, 2)


@pytest.fixture
def input():
    generator = np.random.default_rng(0)
    return [generator.normal(size=(1, n)) for n in (3, 2, 2)]


def over_time(steps=4):
    seed(0)
    generator = np.random.default_rng(0)
    input = [generator.normal(size=(steps, 1, 3)), generator.normal(size=(1, 2)), generator.normal(size=(1, 2))]
    return Recurrent(lstm.create(3, 2)), input


def figures(page):
    """Name -> numbers of the arrays that the panel prints; those of a name that comes twice one after the other."""
    found = {}
    for name, numbers in page.evaluate(
        """() => [...document.querySelectorAll('#panel > section figure.value')].map((figure) => [
            figure.querySelector('.name').textContent,
            [...figure.querySelectorAll(':scope > .cells > .cell')].map((cell) => cell.textContent)])"""
    ):
        found.setdefault(name, []).append([float(number.replace("−", "-")) for number in numbers])
    return found


def pressed(page, key, times):
    """Press a key so often, as the page sees it; gives what stands above the heading before each time, and after."""
    return page.evaluate(
        """([key, times]) => Array.from({ length: times + 1 }, (_, i) => {
            const told = document.querySelector('#panel .phase').textContent;
            const press = new KeyboardEvent('keydown', { key, bubbles: true });
            if (i < times) document.body.dispatchEvent(press);
            return told; })""",
        [key, times],
    )


def rounded(array):
    return [float(f"{number:.4g}") for number in np.ravel(array)]


def heading(page):
    return page.locator("#panel h2").inner_text(), page.locator("#panel .phase").inner_text().split(" ")[0]


def test_every_step_shows_the_numbers_of_an_independent_run(opened, cell, input):
    grad_output = [np.array([[0.3, -1.0]]), np.array([[2.0, 0.01]])]
    page = opened(walkthrough(cell, input, grad_output))
    cell.zero_grad_parameters()
    cell.forward(input)
    cell.backward(input, grad_output)
    seen = []
    while True:
        name, phase = heading(page)
        shown = figures(page)
        if phase == "loss":
            assert shown["next_c"] == [rounded(cell.output[0])] and shown["∂next_h"] == [rounded(grad_output[1])]
        else:
            node, call = cell.node(name), cell.tape[name]
            names = [parent.name for parent in node.parents]
            if phase == "forward":
                values = call.input if len(names) > 1 else [call.input]
                assert shown[name][-1] == rounded(call.output)
                assert all(shown[parent][0] == rounded(value) for parent, value in zip(names, values))
            else:
                gradients = call.grad_input if len(names) > 1 else [call.grad_input]
                assert shown[f"∂{name}"][-1] == rounded(call.grad_output)
                arriving = np.array(shown[f"∂{name}"][:-1] or shown[f"∂{name}"])
                assert np.allclose(arriving.sum(0), np.ravel(call.grad_output), 1e-3)
                assert all(shown[f"∂{parent}"][-1] == rounded(value) for parent, value in zip(names, gradients))
            if isinstance(node.module, nn.Linear):
                prefix, of = ("", "") if phase == "forward" else ("∂", "grad_")
                assert shown[prefix + "W"] == [rounded(getattr(node.module, of + "weight"))]
                assert shown[prefix + "b"] == [rounded(getattr(node.module, of + "bias"))]
        seen.append((phase, name))
        if len(seen) == 2 * len(cell.nodes) + 1:
            break
        page.keyboard.press("ArrowRight")
    assert [name for phase, name in seen if phase == "forward"] == [node.name for node in cell.nodes]
    assert [name for phase, name in seen if phase == "backward"] == [node.name for node in reversed(cell.nodes)]


def test_over_time_every_step_shows_the_numbers_of_an_independent_run(opened):
    network, input = over_time()
    target = np.zeros((4, 1, 2))
    page = opened(walkthrough(network, input, criterion=nn.MSECriterion(), target=target))
    criterion = nn.MSECriterion()
    hs, *_ = network.forward(input)
    loss = criterion.forward(hs, target)
    network.backward(input, [criterion.backward(hs, target), None, None])
    n = len(network.cell.nodes)
    for t in (0, 3):
        for phase, base in (("forward", 1), ("backward", n + 2)):
            order = network.cell.nodes if phase == "forward" else network.cell.nodes[::-1]
            for i, node in enumerate(order):
                page.evaluate(f"location.hash = '#{base + i},{t}'")
                assert heading(page) == (node.name, phase)
                value = getattr(network.tape[node], "output" if phase == "forward" else "grad_output")[t]
                key = node.name if phase == "forward" else f"∂{node.name}"
                assert rounded(value) in figures(page)[key]
    page.evaluate(f"location.hash = '#{n + 1},3'")
    assert float(page.locator(".loss-value strong").inner_text()) == rounded([loss])[0]


def test_next_goes_forward_through_time_then_to_the_loss_then_back(opened):
    network, input = over_time(steps=2)
    n = len(network.cell.nodes)
    page = opened(walkthrough(network, input))
    phases = pressed(page, "ArrowRight", 4 * n)
    times = ["forward · t = 0"] * n + ["forward · t = 1"] * n + ["loss · t = 1"]
    assert phases == times + ["backward · t = 1"] * n + ["backward · t = 0"] * n
    assert pressed(page, "ArrowLeft", 4 * n) == phases[::-1]


def test_clicking_a_box_jumps_to_it_and_clicking_it_again_turns_it(opened, cell, input):
    page = opened(walkthrough(cell, input))
    box = page.locator("g.box[aria-label^='next_c ']")
    box.click()
    assert heading(page) == ("next_c", "forward")
    assert box.get_attribute("aria-current") == "step"
    box.click()
    assert heading(page) == ("next_c", "backward")
    page.locator("g.box[aria-label^='forget_gate ']").click()
    assert heading(page) == ("forget_gate", "backward")


def test_keys_and_buttons(opened, cell, input):
    page = opened(walkthrough(cell, input))
    first, n = heading(page), len(cell.nodes)
    page.keyboard.press("ArrowLeft")
    assert heading(page) == first
    page.keyboard.press("b")
    assert heading(page) == (first[0], "backward")
    page.keyboard.press("Home")
    page.locator("#next").click()
    assert heading(page)[0] == cell.nodes[1].name
    page.locator("#back").click()
    assert heading(page) == first
    page.keyboard.press("End")
    assert page.locator("#where").inner_text().startswith(f"step {2 * n + 1} of {2 * n + 1}")
    page.locator("#track").click(position={"x": 2, "y": 10})
    assert heading(page) == first
    page.locator("#panel").click(position={"x": 5, "y": 5})
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Pause" and heading(page) != first
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_keys_for_time(opened):
    network, input = over_time()
    page = opened(walkthrough(network, input, labels=["a", "b", "<c>", " "]))
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#panel .phase").inner_text() == "forward · t = 2 <c>"
    page.locator("#moments .moment").nth(3).click()
    assert page.locator("#panel .phase").inner_text() == "forward · t = 3 ␣"


def test_the_focus_goes_along_and_a_box_is_a_button(opened, cell, input):
    page = opened(walkthrough(cell, input))
    focused = "document.activeElement.getAttribute('aria-label')"
    names = [" ".join(page.locator("g.box.now text").all_text_contents())]
    page.locator("g.box.now").focus()
    for _ in range(3):
        assert page.evaluate(focused) == names[-1]
        page.keyboard.press("ArrowRight")
        names.append(" ".join(page.locator("g.box.now text").all_text_contents()))
    assert len(set(names)) == 4
    here = heading(page)[0]
    page.keyboard.press("Enter")
    assert heading(page) == (here, "backward")
    page.keyboard.press("Space")
    assert heading(page) == (here, "forward") and page.locator("#play").get_attribute("aria-label") == "Play"


def test_the_focus_stays_in_the_panel(opened, cell, input):
    page = opened(walkthrough(cell, input))
    page.locator("#panel .link").first.focus()
    page.keyboard.press("Enter")
    assert heading(page)[0] == "i2h" == page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#panel') !== null")


def test_each_time_line_has_its_own_keys(opened):
    network, input = over_time()
    page = opened(walkthrough(network, input), "#3,1")
    told = page.locator("#panel .phase")
    page.locator("#moments").focus()
    for key, phase in {
        "ArrowRight": "t = 2",
        "ArrowUp": "t = 3",
        "ArrowLeft": "t = 2",
        "Home": "t = 0",
        "End": "t = 3",
    }.items():
        page.keyboard.press(key)
        assert told.inner_text() == f"forward · {phase}"
    assert page.locator("#where").inner_text().startswith("t = 3, step 3 of")
    page.locator("#track").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#track").get_attribute("aria-valuenow") == "2"
    page.keyboard.press("End")
    assert (
        told.inner_text() == "backward · t = 3"
        and page.locator("#track").get_attribute("aria-valuetext") == "backward: x"
    )


def test_a_column_over_time_is_chosen_by_keys(opened):
    network, input = over_time()
    page = opened(walkthrough(network, input))
    page.locator("#time canvas").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert heading(page) == ("next_c", "forward") and page.locator("#panel .phase").inner_text() == "forward · t = 2"


def test_a_named_part_of_a_split_can_be_chosen(opened):
    x = nn.Identity()().annotate(name="x")
    first, second = nn.SplitTable(0)(x).annotate(name="pieces").split(2)
    first.annotate(name="first"), second.annotate(name="second")
    page = opened(walkthrough(GModule(x, nn.CMulTable()([first, second])), np.array([[1.0, 2.0], [3.0, 4.0]])))
    page.locator("g.box[aria-label^='second ']").click()
    assert heading(page) == ("second", "forward") and figures(page)["second"] == [[3, 4]]
    assert page.locator("g.edge.flow.in").count() == page.locator("g.edge.flow.on").count() == 1
    page.keyboard.press("b")
    assert figures(page)["∂second"] == [[1, 2]] and page.locator(".equation").inner_text() == "∂pieces[1] = ∂second"


def test_a_box_without_a_name_says_whom_it_serves(opened):
    x = nn.Identity()().annotate(name="x")
    gate = nn.Sigmoid()(nn.Linear(2, 2)(x)).annotate(name="gate")
    page = opened(walkthrough(GModule(x, gate), np.ones((1, 2))), "#2")
    assert heading(page)[0] == "Linear(2, 2)" and page.locator("#panel .module").inner_text() == "for gate"
    assert page.locator("#where").inner_text() == "step 2 of 7: forward: Linear(2, 2) for gate"


@pytest.mark.parametrize("width, steps, shown", [(1280, 12, 12), (390, 12, 12), (390, 40, 8), (390, 120, 6)])
def test_steps_in_time_are_numbered_as_far_as_there_is_room(opened, width, steps, shown):
    network, input = over_time(steps)
    page = opened(walkthrough(network, input), size=(width, 800))
    for row in ("#moments", ".moments"):
        numbers = [text for text in page.locator(f"{row} > span").all_text_contents() if text]
        assert len(numbers) == shown and numbers == [str(t) for t in range(0, steps, steps // shown)]


def test_a_loss_at_the_last_step_alone_has_one_chart(opened):
    network, input = over_time()
    gradient = np.zeros((4, 1, 2))
    page = opened(walkthrough(network, input))
    assert page.locator(".chart").count() == 2 and page.locator("#time th[scope=col]").count() == 5
    gradient[-1] = 1
    page = opened(walkthrough(network, input, [gradient, None, None]))
    assert page.locator(".chart").count() == 1 and page.locator("#time th[scope=col]").count() == 3
    assert "Here the loss looks at the last step alone" in page.locator("#time").inner_text()


def test_what_flows_has_a_direction(opened, cell, input):
    page = opened(walkthrough(cell, input))
    page.locator("g.box[aria-label^='next_c ']").click()
    assert page.locator("g.edge.flow.in").count() == 2 and page.locator("g.edge.flow.on").count() == 2
    assert page.locator("g.edge.against").count() == 0
    page.keyboard.press("b")
    assert page.locator("g.edge.against.in").count() == 2 and page.locator("g.edge.against.on").count() == 2
    assert page.locator("g.box.near").count() == 4


def test_no_motion_for_those_who_do_not_want_it(opened, cell, input):
    motion = "getComputedStyle(document.querySelector('.edge.flow path')).animationName"
    assert opened(walkthrough(cell, input), "#5", reduced_motion="reduce").evaluate(motion) == "none"
    assert opened(walkthrough(cell, input), "#5", reduced_motion="no-preference").evaluate(motion) == "along"


def test_no_number_is_cut_and_no_text_is_wider_than_the_page(opened):
    """Of a number that is cut the exponent is missing, which is worse than no number."""
    x = nn.Identity()().annotate(name="x" * 300, description="y" * 300)
    tiny = np.array([[-1.234e-105, 5e-324, -0.0, np.nan, 1e300, -1.5e-10]])
    walked = walkthrough(GModule(x, nn.Linear(6, 6)(x)), tiny, notes={"loss": "z" * 300})
    for size in ((1280, 900), (400, 800)):
        page = opened(walked, "#2", size)
        cut = "[...document.querySelectorAll('.cell')].filter((cell) => cell.scrollWidth > cell.clientWidth).length"
        assert page.locator(".cell").count() and page.evaluate(cut) == 0
        for _ in range(3):
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            page.keyboard.press("ArrowRight")


def test_it_prints_in_light_colours(opened, cell, input):
    page = opened(walkthrough(cell, input), "#3", color_scheme="dark")
    colours = "[...document.querySelectorAll('.cell')].map((cell) => cell.style.background).join()"
    dark = page.evaluate(colours)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    printed = page.evaluate(colours)
    assert page.evaluate("document.documentElement.dataset.theme") == "light" and printed != dark
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") is None and page.evaluate(colours) == dark


def test_names_and_texts_show_as_typed(opened):
    names = [nn.Identity()().annotate(name=name) for name in HOSTILE[:2]]
    total = nn.CAddTable()(names).annotate(
        name=HOSTILE[2], description=HOSTILE[0], graph_attributes={"URL": "javascript:alert(1)", "fillcolor": "red"}
    )
    told = {
        "title": HOSTILE[1],
        "introduction": HOSTILE[0],
        "conclusion": HOSTILE[2],
        "notes": {HOSTILE[2]: HOSTILE[1]},
    }
    page = opened(walkthrough(GModule(names, total), [np.ones(2), np.ones(2)], **told), "#3")
    assert page.title() == HOSTILE[1] == page.locator("h1").inner_text()
    assert page.locator("#introduction p").first.inner_text() == HOSTILE[0]
    assert page.locator("#conclusion").inner_text() == HOSTILE[2]
    assert page.locator("#panel h2").inner_text() == HOSTILE[2]
    assert page.locator(".note").inner_text() == HOSTILE[1] and page.locator(".own").inner_text() == HOSTILE[0]
    assert set(HOSTILE[:2]) <= set(page.locator("#panel .link").all_inner_texts())
    words = [text.replace("\xa0", " ") for text in page.locator("#picture text").all_text_contents()]
    assert set(HOSTILE) <= set(words)
    assert page.locator("img, a, #panel script, svg script").count() == 0


def test_notes_show_at_their_steps_and_on_the_time_line(opened, cell, input):
    notes = {"next_c": "**Both**", ("backward", "next_h"): "back", "loss": "the `loss`"}
    page = opened(walkthrough(cell, input, notes=notes))
    assert page.locator(".mark.noted").count() == 4
    page.locator("g.box[aria-label^='next_c ']").click()
    assert page.locator(".note strong").inner_text() == "Both"
    page.locator("g.box[aria-label^='next_h ']").click()
    assert page.locator(".note").count() == 0
    page.keyboard.press("b")
    assert page.locator(".note").inner_text() == "back"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".note code").inner_text() == "loss"


CONTRAST = """() => {
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const parse = (text) => { const parts = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith('color(') ? parts.map((v, i) => i < 3 ? v * 255 : v) : parts; };
  const back = (element) => { for (; element; element = element.parentElement) {
    const c = parse(getComputedStyle(element).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); }
    return parse(getComputedStyle(document.body).backgroundColor); };
  const found = [];
  for (const element of document.querySelectorAll('p, h1, h2, h3, span, button, summary, code, figcaption, kbd')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (!element.offsetParent) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color).slice(0, 3)), light(back(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([element.className || element.tagName, element.textContent.slice(0, 30), ratio]);
  }
  for (const text of document.querySelectorAll('g.box text')) {
    const shape = text.closest('g.box').querySelector('path, polygon, ellipse');
    const [a, b] = [text, shape].map((element) => light(parse(getComputedStyle(element).fill).slice(0, 3)));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(['box', text.textContent, ratio]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_in_both_themes(opened, scheme):
    network, input = over_time()
    page = opened(
        walkthrough(network, input, introduction="In `code`.", notes={"next_c": "A *note*."}), color_scheme=scheme
    )
    for step in (1, 15, 19, 25):
        page.evaluate(f"location.hash = '#{step},1'")
        assert page.evaluate(CONTRAST) == []
    page.locator("#theme").click()
    assert page.evaluate(CONTRAST) == []


def test_the_switch_of_the_theme(opened, cell, input):
    page = opened(walkthrough(cell, input), color_scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.locator("#theme").click()
    dark = page.evaluate(back)
    page.locator("#theme").click()
    assert light == page.evaluate(back) != dark
    assert opened(walkthrough(cell, input), color_scheme="dark").evaluate(back) == dark


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_of_the_window(opened, width):
    network, input = over_time()
    page = opened(walkthrough(network, input, title="averyveryverylongnamewithoutanyspaces" * 2), size=(width, 740))
    for step in (1, 14, 19, 25, 30):
        page.evaluate(f"location.hash = '#{step},1'")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("#bar button").all():
        assert button.bounding_box()["width"] >= 40 and button.bounding_box()["height"] >= 40


def test_a_large_model_is_small_enough_and_quick(opened):
    network = Recurrent(lstm.lstm(65, 128, 2))
    steps = 50
    states = [np.zeros((1, 128))] * 4
    target = np.arange(1, steps + 1)[:, None]
    page = walkthrough(network, [np.arange(steps)[:, None], *states], criterion=nn.ClassNLLCriterion(), target=target)
    assert page.data["arrays"][page.data["runs"][9]["outputs"][2]]["shape"] == [1, 512]
    assert not any("blocks" in entry for entry in page.data["arrays"] if entry["shape"] == [1, 512])
    assert len(page.html.encode()) < 3_000_000
    shown = opened(page)
    elapsed = shown.evaluate(
        """() => Array.from({ length: 80 }, () => {
            const start = performance.now();
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
            document.body.offsetHeight;
            return performance.now() - start; })"""
    )
    assert np.median(elapsed) < 100


def test_a_large_array_tells_its_numbers_under_the_keys(opened):
    x = nn.Identity()().annotate(name="x")
    large = np.random.default_rng(0).normal(size=(1, 200))
    page = opened(walkthrough(GModule(x, nn.Tanh()(x).annotate(name="y")), large), "#2")
    page.locator("#panel canvas").nth(1).focus()
    for i in range(18):
        page.keyboard.press("ArrowRight")
        index, number = page.locator("#tip").inner_text().rsplit(" ", 1)
        assert index == f"[0, {i}]" and [float(number.replace("−", "-"))] == rounded(np.tanh(large[0, i]))
    assert heading(page)[0] == "y"


def test_states_and_gates_over_time(opened):
    network, input = over_time()
    page = opened(walkthrough(network, input), "#8,1")
    names = page.locator("#time .lane-name .link").all_inner_texts()
    assert names[0] == "next_c" and names[-1] == "next_h"
    assert {"forget_gate", "in_gate", "out_gate", "in_transform"} <= set(names)
    network.forward(input)
    page.locator("#time canvas").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    told = page.locator("#tip").inner_text()
    number = rounded(network.tape["next_c"].output[1])[0]
    assert told.startswith("next_c, t = 1") and float(told.split(" ")[-1].replace("−", "-")) == number
    page.locator("#time summary").click()
    assert page.locator("#time tbody tr").count() == 4


def test_other_shapes_of_graphs(opened):
    generator = np.random.default_rng(0)
    sequential = nn.Sequential(nn.Linear(3, 40), nn.ConcatTable(nn.Linear(40, 2), nn.Tanh()))
    for model, input in (
        (lstm.stack(3, 4, 2), [generator.normal(size=(1, 3))] + [np.ones((1, 4))] * 4),
        (Recurrent(lstm.stack(3, 4, 2)), [generator.normal(size=(3, 1, 3))] + [np.ones((1, 4))] * 4),
        (unroll(lstm.create(3, 2), 3), [generator.normal(size=(3, 1, 3))] + [np.ones((1, 2))] * 2),
        (sequential, np.array([[1.0, np.nan, np.inf]])),
    ):
        page = opened(walkthrough(model, input))
        times = max(1, page.locator(".moment").count())
        phases = pressed(page, "ArrowRight", page.locator("#track .mark").count() * times)
        assert phases[0].startswith("forward") and phases[-1].startswith("backward")


def test_in_a_notebook(opened, chromium, cell, input, tmp_path):
    page = walkthrough(cell, input)
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html>{page._repr_html_()}", encoding="utf-8")
    shown = chromium.new_page()
    shown.goto((tmp_path / "notebook.html").as_uri())
    frame = shown.frame_locator("iframe")
    frame.locator("#next").click()
    assert frame.locator("#panel h2").inner_text() == cell.nodes[1].name
    shown.close()


def test_play_goes_on_by_itself(opened, cell, input):
    page = opened(walkthrough(cell, input))
    page.locator("#play").click()
    page.locator("#panel h2", has_text=cell.nodes[2].name).wait_for()
