"""The confusion table and the picture of the misread digits."""

import re

import numpy as np
import pytest

from nodegraph.models.digits.picture import SHOWN, confusion, confusion_text, misread_picture

from picture import words

LABELS = np.array([9, 7, 1, 3])
READ = np.array([9, 1, 1, 8])


def probabilities(read, sure):
    given = np.full((len(read), 10), 0.01)
    given[np.arange(len(read)), read] = sure
    return given


def test_the_table_counts_what_was_read_as_what():
    table = confusion(LABELS, READ)
    assert table[7, 1] == table[3, 8] == table[9, 9] == table[1, 1] == 1 and table.sum() == 4
    lines = confusion_text(table).splitlines()
    assert lines[1].split() == [*"0123456789", "right"]
    assert lines[2 + 9].split() == ["9", *["."] * 9, "1", "100.0%"]
    assert lines[2 + 7].split() == ["7", ".", "1", *["."] * 8, "0.0%"]
    assert lines[2].split() == ["0", *["."] * 10], "there was no 0"
    assert len(lines[1]) == len(lines[2 + 1]) == len(lines[2 + 7])


def test_the_picture_shows_the_misread_digits_the_surest_first():
    images = np.zeros((4, 8, 8))
    svg = misread_picture(images, LABELS, probabilities(READ, [0.9, 0.5, 0.9, 0.8]))
    texts = words(svg)
    assert texts[0] == "2 of 4 digits misread"
    assert texts[2:] == ["3 read as 8", "80 % sure", "7 read as 1", "50 % sure"]


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (3, 6)])
def test_the_ink_is_where_the_image_has_it(shape):
    image = np.round(np.random.default_rng(0).random(shape) * 15) / 15
    svg = misread_picture(image[None], np.array([3]), probabilities([8], [0.8]))
    drawn = np.zeros(shape)
    for path, opacity in re.findall(r'<path d="([^"]*)" fill-opacity="([^"]*)"/>', svg):
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
            drawn[int(y), int(x) : int(x) + int(length)] += float(opacity)
    np.testing.assert_allclose(drawn, image, atol=0.01)


def test_where_many_are_misread_the_surest_are_shown():
    n = SHOWN + 10
    svg = misread_picture(
        np.zeros((n, 4, 4)), np.zeros(n, int), probabilities(np.ones(n, int), np.linspace(0.3, 0.9, n))
    )
    texts = words(svg)
    assert texts[0] == f"{n} of {n} digits misread" and f"{SHOWN} surest" in texts[1]
    assert texts.count("0 read as 1") == SHOWN


def test_where_none_is_misread():
    assert words(misread_picture(np.zeros((1, 4, 4)), np.array([2]), probabilities([2], [1.0])))[0].startswith("0 of 1")
