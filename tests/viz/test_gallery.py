"""The pictures in the repository are those that the code draws."""

import pathlib
import runpy

import pytest

from picture import words

GALLERY = pathlib.Path(__file__).parents[2] / "viz" / "gallery"
PICTURES = sorted(path.name for path in GALLERY.glob("*.svg"))
pytestmark = pytest.mark.skipif(not PICTURES, reason="the gallery is not beside the installed package")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    runpy.run_path(str(GALLERY / "make.py"))["make"](folder)
    return folder


def test_all_are_there(drawn):
    assert PICTURES == sorted(path.name for path in drawn.iterdir()) and "lstm.svg" in PICTURES
    assert sum((GALLERY / name).stat().st_size for name in PICTURES) < 300_000


@pytest.mark.parametrize("name", PICTURES)
def test_none_is_out_of_date(name, drawn):
    assert words((GALLERY / name).read_bytes()) == words((drawn / name).read_bytes())


def test_they_name_no_folder_of_the_computer_that_drew_them():
    for name in PICTURES:
        assert "/main/" not in (GALLERY / name).read_text() and "\\" not in (GALLERY / name).read_text()
