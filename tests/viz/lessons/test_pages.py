"""The lessons in a browser: every page loads, in both themes and on a phone, and leads where it says; the command."""

import pytest

from nodegraph.cli import main
from nodegraph.viz import lessons
from nodegraph.viz.lessons.course import SCRIPTS

PAGES = [one.file_name(i) for one in lessons.LESSONS for i in range(len(one.scripts))]


def test_all_makes_every_page_and_a_list_of_them(folder):
    assert {path.name for path in folder.iterdir()} == {"index.html", *PAGES}
    assert len(PAGES) == sum(map(len, SCRIPTS))
    assert all(path.stat().st_size < 1_000_000 for path in folder.iterdir())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_in_both_themes_and_on_a_phone(opened, folder, name):
    page = opened(folder / name, color_scheme="dark", size=(390, 844))
    assert page.locator("h1").inner_text().startswith(f"Lesson {name[7]}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    steps = page.locator("#track .mark").count()
    page.evaluate(
        """steps => {
        for (const key of [...Array(steps).fill('ArrowRight'), 'End'])
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    }""",
        steps,
    )
    assert page.locator("#where").inner_text().split(": ")[0].endswith(f"step {steps} of {steps}")


def test_the_list_leads_to_all_pages_and_they_to_each_other(opened, folder):
    page = opened(folder / "index.html", size=(390, 844))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("li a").evaluate_all("links => links.map(link => link.getAttribute('href'))") == PAGES
    page.locator("li a").first.click()
    for name in PAGES[1:]:
        page.locator("#conclusion a", has_text="→").click()
        assert page.url.split("#")[0].endswith(f"/{name}")
    page.locator("#conclusion a", has_text="All lessons").click()
    assert page.url.endswith("/index.html")


def test_a_link_in_a_text_leads_to_a_step_and_shows_it(opened, folder):
    page = opened(folder / "lesson_4.html")
    page.get_by_text("where the message ends").click()
    assert page.locator("#panel h2").inner_text() == "kept"
    assert page.locator("#panel .phase").inner_text() == "backward · t = 5 x"
    assert "Here the message meets the shut gate." in page.locator("#panel .note").first.inner_text()
    page.wait_for_function("Math.abs(document.querySelector('.stage').getBoundingClientRect().top) < 40")
    page.get_by_text("the answer", exact=True).click()
    assert page.locator("#panel h2").inner_text() == "next_h"


def test_a_link_leads_to_its_step_in_a_notebook_too(chromium, pages):
    page = chromium.new_page()
    page.set_content(pages["lesson_4_lstm"]._repr_html_())
    frame = page.frame_locator("iframe")
    frame.get_by_text("where the message ends").click()
    assert frame.locator("#panel h2").inner_text() == "kept"
    page.close()


def test_an_address_names_a_step_by_its_box(opened, folder):
    told = {"#forward/next_c/5": "forward · t = 5 x", "#backward/kept": "backward · t = 0 +", "#loss": "loss · t = 8 ?"}
    for address, phase in told.items():
        assert opened(folder / "lesson_4.html", address).locator("#panel .phase").inner_text() == phase
    for nonsense in ("#forward/nothing", "#backward", "#%E0%A4%A", "#forward/next_c/99"):
        where = opened(folder / "lesson_4.html", nonsense).locator("#panel .phase").inner_text()
        assert where == ("forward · t = 8 ?" if "99" in nonsense else "forward · t = 0 +")


def test_an_answer_is_shown_to_who_asks_for_it(opened, folder):
    page = opened(folder / "lesson_4.html")
    answer = page.get_by_text("A memory that can only be added to")
    assert not answer.is_visible()
    page.get_by_text("Why does the forget gate help?").click()
    assert answer.is_visible()


# The command


def learn(capsys, *arguments):
    status = main(["learn", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_learn_lists_the_lessons(capsys):
    status, out, _ = learn(capsys)
    assert status == 0
    assert all(f"{one.number}  {one.title}" in out and one.about in out for one in lessons.LESSONS)


def test_learn_makes_a_lesson_and_opens_it(capsys, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    status, out, _ = learn(capsys, "3", "--out", str(tmp_path / "new" / "folder"))
    made = [tmp_path / "new" / "folder" / name for name in ("lesson_3.html", "lesson_3_page_2.html")]
    assert status == 0 and out.splitlines() == list(map(str, made)) and opened == [made[0].as_uri()]
    assert "nodegraph learn 4" in made[1].read_text(encoding="utf-8")
    assert "index.html" not in made[1].read_text(encoding="utf-8")
    assert learn(capsys, "2", "--out", str(tmp_path), "--no-open")[0] == 0 and len(opened) == 1


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["9"], "the lessons are 1 to 8, got 9"),
        (["0"], "the lessons are 1 to 8, got 0"),
        (["4", "--all"], "--all makes every lesson"),
        (["--out", "somewhere"], "--out needs a lesson, or --all"),
        (["1", "--no-open", "--out", "taken"], "cannot make the folder taken"),
    ],
)
def test_learn_refuses_what_makes_no_sense(capsys, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    status, _, err = learn(capsys, *arguments)
    assert status == 2 and complaint in err
