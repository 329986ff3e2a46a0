"""All lessons, made once for all tests."""

import pytest

from nodegraph.viz import lessons


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """The folder of all pages, and script -> page."""
    made = {}
    pages_of = lessons.Lesson.pages

    def remembered(lesson):
        pages = pages_of(lesson)
        made.update(zip(lesson.scripts, pages.values()))
        return pages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons.Lesson, "pages", remembered)
        folder = lessons.make_all(tmp_path_factory.mktemp("course")).parent
    return folder, made


@pytest.fixture(scope="session")
def folder(course):
    return course[0]


@pytest.fixture(scope="session")
def pages(course):
    return course[1]
