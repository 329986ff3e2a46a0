"""The course: which lessons there are, and how their pages become files that lead from one to the next."""

from __future__ import annotations

import html
import importlib
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from types import ModuleType

from nodegraph.errors import ArgumentError
from nodegraph.viz.saving import save_whole
from nodegraph.viz.walkthrough import Walkthrough, prose

INDEX = "index.html"


@dataclass(frozen=True)
class Lesson:
    """A lesson: scripts, of which each has a function `page`, and the first a TITLE and a line ABOUT the lesson."""

    number: int
    scripts: tuple[str, ...]

    @cached_property
    def modules(self) -> list[ModuleType]:
        return [importlib.import_module(f"{__package__}.{script}") for script in self.scripts]

    @property
    def title(self) -> str:
        """What the lesson is called."""
        return self.modules[0].TITLE

    @property
    def about(self) -> str:
        """What the lesson is about, in a sentence or two."""
        return self.modules[0].ABOUT

    def pages(self) -> dict[str, Walkthrough]:
        """File name -> page, in the order in which they are read."""
        return {self.file_name(i): module.page() for i, module in enumerate(self.modules)}

    def file_name(self, i: int) -> str:
        """What the file of page i, counted from 0, is called."""
        return f"lesson_{self.number}_page_{i + 1}.html" if i else f"lesson_{self.number}.html"


SCRIPTS = (
    ("lesson_1_neuron",),
    ("lesson_2_chain_rule",),
    ("lesson_3_recurrence", "lesson_3_cell"),
    ("lesson_4_lstm", "lesson_4_no_forget_gate"),
    ("lesson_5_vanishing", "lesson_5_real_cells"),
    ("lesson_6_peepholes", "lesson_6_coupled_gates", "lesson_6_gru"),
    ("lesson_7_own_cell",),
    ("lesson_8_characters",),
)
LESSONS = [Lesson(number, scripts) for number, scripts in enumerate(SCRIPTS, 1)]


def lesson(number: int) -> Lesson:
    """The lesson of this number. Raises ArgumentError if there is none.

    >>> lesson(4).title
    'The LSTM, gate by gate'
    """
    if not 1 <= number <= len(LESSONS):
        raise ArgumentError(f"the lessons are 1 to {len(LESSONS)}, got {number}")
    return LESSONS[number - 1]


def make(number: int, folder: str | pathlib.Path) -> list[pathlib.Path]:
    """Write one lesson's pages into a folder, which is made if need be; returns their files, the first one first."""
    following = f"The next lesson: `nodegraph learn {number + 1}`." if number < len(LESSONS) else ""
    return _save(lesson(number).pages(), pathlib.Path(folder), following=following)


def make_all(folder: str | pathlib.Path) -> pathlib.Path:
    """Write all lessons into a folder, and a page that lists them, whose file is returned."""
    folder = pathlib.Path(folder)
    made = {one: one.pages() for one in LESSONS}
    _save({name: page for pages in made.values() for name, page in pages.items()}, folder, INDEX)
    items = [_item(one, list(pages)) for one, pages in made.items()]
    style = (resources.files("nodegraph.viz.walkthrough") / "page" / "page.css").read_text(encoding="utf-8")
    template = (resources.files(__package__) / INDEX).read_text(encoding="utf-8")
    return save_whole(folder / INDEX, template.replace("{{style}}", style).replace("{{lessons}}", "\n".join(items)))


def _save(
    pages: dict[str, Walkthrough], folder: pathlib.Path, index: str = "", following: str = ""
) -> list[pathlib.Path]:
    """Save pages that lead on to each other, and to the index where there is one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot make the folder {folder}: {error.strerror or error}")
    names = list(pages)
    for i, (name, page) in enumerate(pages.items()):
        before = f"[← {pages[names[i - 1]].data['title']}]({names[i - 1]})" if i else ""
        after = f"[{pages[names[i + 1]].data['title']} →]({names[i + 1]})" if i + 1 < len(names) else following
        everything = f"[All lessons]({index})" if index else ""
        page.data["conclusion"] += prose.blocks("\n\n".join(filter(None, (after, before, everything))))
        page.save(folder / name)
    return [folder / name for name in names]


def _item(one: Lesson, names: Sequence[str]) -> str:
    """The lesson's entry in the list, as HTML."""
    further = "".join(f' · <a href="{name}">page {n}</a>' for n, name in enumerate(names[1:], 2))
    return (
        f'<li><h2><a href="{names[0]}">{html.escape(one.title)}</a></h2><p>{html.escape(one.about)}{further}</p></li>'
    )
