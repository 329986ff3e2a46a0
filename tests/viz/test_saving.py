"""Pictures and pages are written whole or not at all: a full disk keeps the old file and gives one sentence."""

import os

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.errors import DrawingError
from nodegraph.viz import draw, lessons, loss_curves, walkthrough
from nodegraph.viz.saving import save_whole


def graph():
    x = nn.Identity()()
    return GModule(x, nn.Tanh()(x))


def chart():
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    return loss_curves([2.0, 1.0])


SAVING = {
    "picture.svg": lambda path: draw(graph()).save(path),
    "picture.png": lambda path: draw(graph()).save(path),
    "picture.dot": lambda path: draw(graph()).save(path),
    "page.html": lambda path: walkthrough(graph(), np.ones(2)).save(path),
    "curves.svg": lambda path: chart().save(path),
    "lesson_1.html": lambda path: lessons.make(1, path.parent),
}


@pytest.mark.parametrize("name", SAVING)
def test_no_room_keeps_the_old_file_and_gives_one_sentence(tmp_path, monkeypatch, name):
    path, save = tmp_path / name, SAVING[name]
    save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DrawingError, match=r"^cannot write .*" + name + r": No space left on device$"):
        save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]


def test_the_folder_must_be_there_and_the_file_may_not_be_a_folder(tmp_path):
    with pytest.raises(DrawingError, match=r"^cannot write .*x.svg: there is no folder .*none$"):
        save_whole(tmp_path / "none" / "x.svg", "<svg/>")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(DrawingError, match=r"^cannot write .*taken.svg: "):
        save_whole(tmp_path / "taken.svg", "<svg/>")
    assert os.listdir(tmp_path) == ["taken.svg"] and not os.listdir(tmp_path / "taken.svg")


def test_what_is_shown_in_the_browser_is_a_file_of_its_own(monkeypatch):
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    picture, page = draw(graph()), walkthrough(graph(), np.ones(2))
    paths = [picture.view(), page.view()]
    assert shown == [path.as_uri() for path in paths] and [path.suffix for path in paths] == [".svg", ".html"]
    assert [path.read_text(encoding="utf-8") for path in paths] == [picture.svg(), page.html]
    for path in paths:
        path.unlink()
